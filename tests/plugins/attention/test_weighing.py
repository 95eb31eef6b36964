"""Sinks, sigmoid attention and talking heads equal their papers' equations, by every kernel that can compute them."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import flex_attention as torchs_flex
from transformers.models.gpt_oss.modeling_gpt_oss import GptOssAttention, GptOssConfig

from partwise import PartError, use
from partwise.assembly import inspect_model
from partwise.modules import Flow, causal_flow
from partwise.parts import LayerSite, ModelPart, ModelSite, resolve_part
from partwise_attention import attending, backends
from partwise_attention.multi_head import MultiHeadAttention
from partwise_attention.parts import MultiHead

B, T, C, H = 2, 7, 64, 4
SITE = LayerSite(width=C, context=T)
CROSS = replace(SITE, memory_width=6).over_memory()
LEFT = torch.tensor([[False, False, True, True, True, True, True], [True] * 7])
PACKED = torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 2, 2]])


def built(site: LayerSite = SITE, **knobs: object) -> MultiHeadAttention:
    """An attention with weights that matter."""
    module = MultiHead.model_validate({"heads": H, **knobs}).build(site).eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module


def scores_and_values(module: MultiHeadAttention, x: Tensor) -> tuple[Tensor, Tensor]:
    """Scaled dot products [B, H, T, T] and values [B, H, T, D] of plain heads, in float64."""
    query, key, value = (part.double().unflatten(-1, (H, C // H)).transpose(1, 2) for part in module.project(x))
    return torch.einsum("bhtd,bhsd->bhts", query, key) / math.sqrt(C // H), value


def by_loop(scores: Tensor, values: Tensor, weight_of) -> Tensor:
    """Mixed values [B, T, C]; `weight_of(b, h, t)` gives the weights of keys 0 to t."""
    mixed = torch.zeros_like(values)
    for b, h, t in product(range(B), range(H), range(T)):
        for s, weight in enumerate(weight_of(b, h, t)):
            mixed[b, h, t] += weight * values[b, h, s]
    return mixed.transpose(1, 2).flatten(2)


def finish(module: MultiHeadAttention, mixed: Tensor) -> Tensor:
    return mixed @ module.output.weight.T.double() + module.output.bias.double()


def equal(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one.double(), other.double(), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_sink_takes_its_share_of_the_softmax_and_gives_nothing() -> None:
    module, x = built(weighing="sinks"), torch.randn(B, T, C)
    scores, values = scores_and_values(module, x)
    sinks = module.weigher.sinks.tolist()

    def weight_of(b: int, h: int, t: int) -> list[float]:
        parts = [math.exp(scores[b, h, t, s]) for s in range(t + 1)]
        return [part / (sum(parts) + math.exp(sinks[h])) for part in parts]

    equal(module(x, causal_flow(T)), finish(module, by_loop(scores, values, weight_of)))


@torch.no_grad()
def test_sigmoid_attention_weighs_each_key_by_itself() -> None:
    module, x = built(weighing="sigmoid"), torch.randn(B, T, C)
    scores, values = scores_and_values(module, x)

    def weight_of(b: int, h: int, t: int) -> list[float]:
        return [1 / (1 + math.exp(-(scores[b, h, t, s] - math.log(T)))) for s in range(t + 1)]

    equal(module(x, causal_flow(T)), finish(module, by_loop(scores, values, weight_of)))


@torch.no_grad()
def test_talking_heads_exchange_scores_and_weights() -> None:
    module, x = built(weighing="talking_heads"), torch.randn(B, T, C)
    scores, values = scores_and_values(module, x)
    before, after = module.weigher.before.tolist(), module.weigher.after.tolist()

    def softmax(b: int, h: int, t: int) -> list[float]:
        parts = [math.exp(sum(before[h][g] * scores[b, g, t, s] for g in range(H))) for s in range(t + 1)]
        return [part / sum(parts) for part in parts]

    def weight_of(b: int, h: int, t: int) -> list[float]:
        return [sum(after[h][g] * softmax(b, g, t)[s] for g in range(H)) for s in range(t + 1)]

    equal(module(x, causal_flow(T)), finish(module, by_loop(scores, values, weight_of)))


def test_before_training_heads_do_not_talk_and_a_sink_is_one_more_in_the_denominator() -> None:
    scores = torch.randn(B, H, T, T)
    silent = MultiHead(heads=H, weighing=use("talking_heads")).build(SITE).weigher
    equal(silent(scores, None), scores.softmax(-1))
    quiet = MultiHead(heads=H, weighing=use("sinks")).build(SITE).weigher
    equal(quiet(scores, None), scores.exp() / (1 + scores.exp().sum(-1, keepdim=True)))


@pytest.mark.parametrize("window", [None, 3])
@torch.no_grad()
def test_sinks_equal_gpt_oss(window: int | None) -> None:
    config = GptOssConfig(
        hidden_size=C,
        num_attention_heads=H,
        num_key_value_heads=2,
        head_dim=16,
        attention_bias=True,
        num_hidden_layers=1,
        attn_implementation="eager",
    )
    theirs = GptOssAttention(config, 0).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.4)
    ours = built(kv_heads=2, head_width=16, weighing="sinks", window=window)
    ours.load_state_dict(
        {
            "project.linear.weight": torch.cat((theirs.q_proj.weight, theirs.k_proj.weight, theirs.v_proj.weight)),
            "project.linear.bias": torch.cat((theirs.q_proj.bias, theirs.k_proj.bias, theirs.v_proj.bias)),
            "output.weight": theirs.o_proj.weight,
            "output.bias": theirs.o_proj.bias,
            "weigher.sinks": theirs.sinks,
        }
    )
    x, still = torch.randn(B, T, C), (torch.ones(1, T, 8), torch.zeros(1, T, 8))
    hidden = torch.full((T, T), -torch.inf).triu(1)
    if window is not None:
        hidden = hidden + torch.full((T, T), -torch.inf).tril(-window)
    expected, _ = theirs(x, still, hidden.expand(B, 1, T, T))
    equal(ours(x, causal_flow(T)), expected)


PASSES = {
    "causal": ({}, SITE, {}),
    "both ways": ({}, replace(SITE, causal=False), {}),
    "window": ({"window": 3}, SITE, {}),
    "documents": ({}, SITE, {"documents": PACKED}),
    "left padding": ({}, SITE, {"padding": LEFT}),
    "alibi": ({"position": "alibi"}, SITE, {}),
    "soft cap": ({"soft_cap": 0.3}, SITE, {}),
    "grouped, rope": ({"kv_heads": 2, "position": "rope"}, SITE, {}),
    "cross": ({"kv_heads": 2}, CROSS, {"memory": torch.randn(B, 3, 6)}),
    "padded memory": (
        {},
        CROSS,
        {"memory": torch.randn(B, 3, 6), "memory_padding": torch.tensor([[True, False, True], [False] * 3])},
    ),
}


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("name", PASSES)
def test_kernels_with_sinks_give_what_is_written_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchs_flex, "_validate_device", lambda *inputs: None)
    monkeypatch.setattr(backends, "_refuse_training", lambda query: None)
    torch._dynamo.reset()  # numbers of earlier tests, such as caps, would be made variables of one kernel
    knobs, site, facts = PASSES[name]
    module, flow = built(site, weighing="sinks", **knobs), replace(causal_flow(T), **facts)
    x, weights = torch.randn(B, T, C, requires_grad=True), torch.randn(B, T, C)

    def results(backend: str) -> tuple[Tensor, ...]:
        module.weighing = replace(module.weighing, backend=backend)
        output = module(x, replace(flow))
        return output, *torch.autograd.grad((output * weights).sum(), (x, *module.parameters()))

    eager = results("eager")
    for backend in ("flex", "auto", *(["sdpa"] if "soft_cap" not in knobs else [])):
        for one, other in zip(results(backend), eager, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.needs("gpu")
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["causal", "window", "alibi", "soft cap", "grouped, rope"])
def test_on_a_gpu_the_kernel_taken_gives_what_is_written_out(name: str, precision: torch.dtype) -> None:
    knobs, site, _ = PASSES[name]
    module = built(replace(site, width=128), weighing="sinks", **knobs).cuda()
    x = torch.randn(B, 300, 128, device="cuda", requires_grad=True)

    def results(backend: str) -> tuple[Tensor, ...]:
        module.weighing = replace(module.weighing, backend=backend)
        with torch.autocast("cuda", precision, enabled=precision != torch.float32):
            output = module(x, causal_flow(300, "cuda"))
        return output, *torch.autograd.grad(output.float().square().sum(), (x, *module.parameters()))

    loose = 0.05 if precision == torch.bfloat16 else 0.0
    for one, other in zip(results("auto"), results("eager"), strict=True):
        torch.testing.assert_close(one, other, rtol=loose or 1e-3, atol=(loose or 1e-4) * other.abs().max().item())


@pytest.mark.parametrize("weighing", ["sinks", "sigmoid", "talking_heads"])
@torch.no_grad()
def test_decoding_goes_on_as_one_pass_would(weighing: str) -> None:
    module, x = built(weighing=weighing, kv_heads=2, window=4, position="rope"), torch.randn(B, T, C)
    state = module.empty_state(B, T, x)
    pieces = [
        module(x[:, start:end], Flow(torch.arange(start, end), start), state)
        for start, end in ((0, 3), (3, 5), (5, 6), (6, 7))
    ]
    equal(torch.cat(pieces, 1), module(x, causal_flow(T)))


@pytest.mark.parametrize(
    "knobs",
    [
        {"weighing": "sigmoid", "kv_heads": 2},
        {"weighing": "talking_heads", "position": "alibi"},
        {"weighing": "sinks", "backend": "eager", "soft_cap": 0.5},
        {"score": "additive", "kv_heads": 2},
        {"weighing": "sigmoid", "window": 3},
    ],
)
def test_written_out_in_blocks_it_is_the_same(knobs: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = built(**knobs).double(), torch.randn(B, T, C, dtype=torch.float64, requires_grad=True)

    def results(block: int) -> tuple[Tensor, ...]:
        monkeypatch.setattr(attending, "BLOCK", block)
        output = module(x, causal_flow(T))
        return output, *torch.autograd.grad(output.square().sum(), (x, *module.parameters()))

    for one, other in zip(results(3), results(T), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("weighing", ["sigmoid", "talking_heads"])
@pytest.mark.parametrize("backend", ["sdpa", "flex"])
def test_a_kernel_that_computes_a_softmax_refuses_other_weights(weighing: str, backend: str) -> None:
    part = MultiHead.model_validate({"heads": H, "weighing": weighing, "backend": backend})
    with pytest.raises(PartError, match=f"'{backend}' computes a softmax, and weighing '{weighing}' is another; use"):
        part.build(SITE)


@torch.no_grad()
def test_kernels_with_sinks_write_out_nothing_per_head(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        torch.nn.functional,
        "scaled_dot_product_attention",
        lambda q, k, v, mask, dropout, causal, **how: asked.append((mask, causal)) or torch.zeros_like(q),
    )
    module, x = built(weighing="sinks"), torch.randn(B, T, C)
    module(x, causal_flow(T))
    module(x, replace(causal_flow(T), documents=PACKED))
    assert [(mask if mask is None else mask.shape, causal) for mask, causal in asked] == [
        (None, True),
        ((B, 1, T, T + 1), False),
    ]


@pytest.mark.parametrize("weighing", ["sinks", "sigmoid"])
def test_the_operations_counted_are_those_of_a_softmax(weighing: str) -> None:
    def count(**knobs: object) -> float | None:
        layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": H, **knobs}}
        part = resolve_part(ModelPart, {"use": "language_model", "width": C, "context": T, "blocks": [layer]})
        return inspect_model(part, ModelSite(vocabulary=9)).flops_per_token

    assert count(weighing=weighing) == count()
