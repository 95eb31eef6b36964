"""The kernels agree, and each pass takes the right one."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import flex_attention as torchs_flex

from partwise import InputError, PartError, use
from partwise.assembly.inspection import inspect_model
from partwise.modules import Bias, Flow, Visibility, causal_flow
from partwise.parts import LayerSite, ModelSite
from partwise.parts.registry import registry
from partwise_attention import backends
from partwise_attention.backends import Weighing
from partwise_attention.multi_head import MultiHeadAttention
from partwise_attention.parts import MultiHead

B, T, C, H = 2, 7, 32, 4
SITE = LayerSite(width=C, context=T)
CROSS = replace(SITE, memory_width=6).over_memory()
LEFT = torch.tensor([[False, False, True, True, True, True, True], [True] * 7])
HOLED = torch.tensor([[True, False, True]] * 2)
PACKED = torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 2, 2]])

PASSES = {
    "causal": ({}, SITE, {}),
    "both ways": ({}, replace(SITE, causal=False), {}),
    "window": ({"window": 3}, SITE, {}),
    "window both ways": ({"window": 3}, replace(SITE, causal=False), {}),
    "soft cap": ({"soft_cap": 0.3}, SITE, {}),
    "documents": ({}, SITE, {"documents": PACKED}),
    "left padding": ({}, SITE, {"padding": LEFT}),
    "padding both ways": ({}, replace(SITE, causal=False), {"padding": LEFT.flip(1)}),
    "alibi": ({"position": use("alibi")}, SITE, {}),
    "t5": ({"position": {"use": "t5_bias", "buckets": 8, "max_distance": 6}}, replace(SITE, causal=False), {}),
    "rope": ({"position": use("rope")}, SITE, {}),
    "grouped": ({"kv_heads": 2}, SITE, {}),
    "cross": ({"kv_heads": 2}, CROSS, {"memory": torch.randn(B, 5, 6)}),
    "padded memory": ({}, CROSS, {"memory": torch.randn(B, 3, 6), "memory_padding": HOLED}),
    "all at once": (
        {"window": 4, "soft_cap": 0.3, "kv_heads": 1, "position": use("t5_bias"), "query_key_norm": use("rms_norm")},
        SITE,
        {"documents": PACKED, "padding": LEFT.flip(1)},
    ),
}


def built(name: str) -> tuple[MultiHeadAttention, Flow]:
    """The attention of a pass with weights that matter, and the flow."""
    knobs, site, facts = PASSES[name]
    module = MultiHead.model_validate({"heads": H, **knobs}).build(site).eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module, replace(causal_flow(T), **facts)


def by(backend: str, module: MultiHeadAttention, x: Tensor, flow: Flow, *state: object) -> Tensor:
    """What the module gives when its weights are the same and its kernel is another."""
    module.weighing = replace(module.weighing, backend=backend)
    return module(x, replace(flow), *state)


@pytest.mark.parametrize("name", PASSES)
@torch.no_grad()
def test_all_kernels_give_the_same(name: str) -> None:
    module, flow = built(name)
    x = torch.randn(B, T, C)
    eager = by("eager", module, x, flow)
    for backend in ("flex", "auto", *(["sdpa"] if module.weighing.soft_cap is None else [])):
        torch.testing.assert_close(by(backend, module, x, flow), eager, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("name", ["causal", "t5", "all at once", "padded memory"])
def test_all_kernels_give_the_same_gradients(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a CPU, PyTorch refuses FlexAttention's backward pass, though it has one, unfused; here it may be run.
    monkeypatch.setattr(torchs_flex, "_validate_device", lambda *inputs: None)
    monkeypatch.setattr(backends, "_refuse_training", lambda query: None)
    module, flow = built(name)
    x, weights = torch.randn(B, T, C, requires_grad=True), torch.randn(B, T, C)

    def gradients(backend: str) -> tuple[Tensor, ...]:
        outputs = (by(backend, module, x, flow) * weights).sum()
        return torch.autograd.grad(outputs, (x, *module.parameters()))

    eager = gradients("eager")
    for backend in ("flex", *(["sdpa"] if module.weighing.soft_cap is None else [])):
        for one, other in zip(gradients(backend), eager, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.needs("gpu")
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["window", "window both ways", "soft cap", "alibi", "t5", "grouped", "all at once"])
def test_on_a_gpu_the_kernel_taken_gives_what_is_written_out(name: str, precision: torch.dtype) -> None:
    knobs, site, _ = PASSES[name]
    module = MultiHead.model_validate({"heads": H, **knobs}).build(replace(site, width=128)).cuda()
    x = torch.randn(B, 300, 128, device="cuda", requires_grad=True)
    documents = torch.arange(300, device="cuda").div(77, rounding_mode="floor").expand(B, 300)

    def results(backend: str) -> tuple[Tensor, ...]:
        flow = replace(causal_flow(300, "cuda"), documents=documents)
        with torch.autocast("cuda", precision, enabled=precision != torch.float32):
            output = by(backend, module, x, flow)
        return output, *torch.autograd.grad(output.float().square().sum(), (x, *module.parameters()))

    loose = precision == torch.bfloat16
    for one, other in zip(results("auto"), results("eager"), strict=True):
        torch.testing.assert_close(
            one, other, rtol=0.05 if loose else 1e-3, atol=(0.05 if loose else 1e-4) * other.abs().max().item()
        )


@pytest.mark.parametrize("name", ["causal", "all at once", "alibi", "soft cap"])
@torch.no_grad()
def test_a_model_for_flex_attention_decodes_what_it_reads_at_once(name: str) -> None:
    module, flow = built(name)
    x = torch.randn(B, T, C)
    full = by("flex", module, x, flow)
    state, outputs = module.empty_state(B, T, x), []
    for start, end in ((0, 3), (3, 5), (5, 6), (6, 7)):
        seen = {key: getattr(flow, key) for key in ("padding", "documents") if getattr(flow, key) is not None}
        part = Flow(torch.arange(start, end), start, **{key: whole[:, :end] for key, whole in seen.items()})
        outputs.append(module(x[:, start:end], part, state))
    torch.testing.assert_close(torch.cat(outputs, 1), full, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_flex_attention_writes_out_neither_mask_nor_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    kept = Flow.placed_by
    monkeypatch.setattr(Flow, "placed_by", lambda self, encoder: made.append(kept(self, encoder)) or made[-1])
    module, flow = built("all at once")
    flow = replace(flow)
    module.weighing = replace(module.weighing, backend="flex")
    module(torch.randn(B, T, C), flow)
    assert "_kept_blocks" in vars(flow.mask(module.visibility))
    assert "dense" not in vars(flow.mask(module.visibility))
    assert "dense" not in vars(made[0].bias)


@torch.no_grad()
def test_layers_share_what_is_written_out() -> None:
    one, flow = built("alibi")
    other, _ = built("alibi")
    flow = replace(flow, padding=LEFT).placed_by(one.position)
    one.position = other.position = None
    for module in (one, other):
        module(torch.randn(B, T, C), flow)
    assert flow.bias is not None
    assert len(flow._masks) == len(flow.bias._masked) == 1


def query(length: int = 256, width: int = 64, cuda: bool = True, meta: bool = False) -> SimpleNamespace:
    return SimpleNamespace(shape=(2, 4, length, width), is_cuda=cuda, is_meta=meta)


PLAIN, NARROW = causal_flow(256).mask(Visibility()), causal_flow(256).mask(Visibility(window=9))
BIAS = Bias(torch.zeros(4, 511), 256)


@pytest.mark.parametrize(
    ("weighing", "scaled_dot", "given", "mask", "bias", "expected"),
    [
        (Weighing(), True, query(), PLAIN, None, "sdpa"),
        (Weighing(), True, query(), NARROW, None, "flex"),
        (Weighing(), True, query(), PLAIN, BIAS, "flex"),
        (Weighing(soft_cap=5.0), True, query(), PLAIN, None, "flex"),
        (Weighing(soft_cap=5.0), True, query(cuda=False), PLAIN, None, "eager"),
        (Weighing(), True, query(cuda=False), NARROW, BIAS, "sdpa"),
        (Weighing(), True, query(length=127), NARROW, BIAS, "sdpa"),
        (Weighing(), True, query(width=8), NARROW, BIAS, "sdpa"),
        (Weighing(dropout=0.1), True, query(), NARROW, BIAS, "sdpa"),
        (Weighing(dropout=0.1, soft_cap=5.0), True, query(), NARROW, BIAS, "eager"),
        (Weighing(), False, query(), NARROW, BIAS, "eager"),
        (Weighing("eager"), True, query(), NARROW, BIAS, "eager"),
        (Weighing("sdpa"), True, query(), NARROW, BIAS, "sdpa"),
        (Weighing("flex"), True, query(cuda=False), PLAIN, None, "flex"),
        (Weighing("flex"), True, query(length=1), NARROW, BIAS, "sdpa"),
        (Weighing("flex", soft_cap=5.0), True, query(length=1), NARROW, BIAS, "eager"),
        (Weighing("flex"), True, query(cuda=False, meta=True), NARROW, BIAS, "sdpa"),
    ],
)
def test_each_pass_takes_the_kernel_that_fits(weighing, scaled_dot, given, mask, bias, expected) -> None:
    assert weighing.backend_for(scaled_dot, given, mask, bias) == expected


def test_where_results_must_be_reproducible_a_learned_bias_keeps_off_flex_attention(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learned = Bias(torch.zeros(4, 511, requires_grad=True), 256)
    assert Weighing().backend_for(True, query(), PLAIN, learned) == "flex"
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    assert Weighing().backend_for(True, query(), PLAIN, learned) == "sdpa"
    assert Weighing().backend_for(True, query(), PLAIN, BIAS) == "flex"


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"backend": "flex", "dropout": 0.1}, "'flex' drops no attention weights; set dropout to 0"),
        (
            {"backend": "flex", "score": "additive"},
            "'flex' needs a scaled dot product, and score 'additive' is another",
        ),
        (
            {"backend": "sdpa", "score": "additive"},
            "'sdpa' needs a scaled dot product, and score 'additive' is another",
        ),
        ({"backend": "sdpa", "soft_cap": 5.0}, "'sdpa' has no soft_cap"),
        ({"backend": "flex", "head_width": 8}, "needs heads of 16 features or more, and these have 8"),
    ],
)
def test_a_kernel_that_cannot_is_refused_when_the_model_is_built(knobs: dict[str, object], words: str) -> None:
    with pytest.raises(PartError, match=words):
        MultiHead.model_validate({"heads": 2, **knobs}).build(SITE)


def test_training_by_flex_attention_without_a_gpu_is_refused_in_plain_words() -> None:
    module = MultiHead(heads=2, backend="flex").build(SITE)
    with pytest.raises(InputError, match=r'"flex" cannot be trained on cpu.*use "auto"'):
        module(torch.randn(B, T, C), causal_flow(T))


def test_what_a_mask_hides_and_the_kernel_leave_the_count_of_operations_as_it_is() -> None:
    def count(**knobs: object) -> float:
        layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2, **knobs}}
        model = registry().find(registry().kinds()["model"], "language_model")
        assert model is not None
        part = model.model_validate({"width": 32, "context": 16, "blocks": (layer,)})
        return inspect_model(part, ModelSite(vocabulary=9)).flops_per_token

    plain = count()
    for knobs in ({"window": 3}, {"soft_cap": 5.0}, {"position": "alibi"}, {"backend": "eager"}, {"backend": "flex"}):
        assert count(**knobs) == plain, knobs
    assert count(kv_heads=1) < plain


@pytest.mark.filterwarnings("ignore:<class 'torch.autograd.function.Function'> should not be")
@pytest.mark.parametrize(
    ("name", "backend"),
    [*product(["all at once"], ["eager", "sdpa", "flex"]), ("padded memory", "sdpa"), ("t5", "sdpa")],
)
def test_compiled_it_is_one_graph_and_gives_the_same(name: str, backend: str) -> None:
    module, flow = built(name)
    x, weights = torch.randn(B, T, C), torch.randn(B, T, C)
    module.weighing = replace(module.weighing, backend=backend)
    if backend == "sdpa" and module.weighing.soft_cap is not None:
        module.weighing = replace(module.weighing, soft_cap=None)
    training = backend != "flex"
    module.requires_grad_(training)

    def run(call) -> list[Tensor]:
        output = call(x, replace(flow))
        return [output, *torch.autograd.grad((output * weights).sum(), module.parameters())] if training else [output]

    torch._dynamo.reset()
    compiled = run(torch.compile(module, fullgraph=True, backend="aot_eager"))
    for one, other in zip(compiled, run(module), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
