"""A compiled decode step writes what the plain one writes, for every shape of state, in one graph for all lengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from partwise.assembly.build import assemble
from partwise.data import IGNORED, Batch
from partwise.decoding import Decoder, compile_steps
from partwise.decoding.compiled import _weights_of
from partwise.modules import Decoding, Model
from partwise.parts import ModelPart, ModelSite, resolve_part

V, WIDTH = 23, 16
MIXERS: dict[str, Any] = {
    "attention": {"use": "multi_head", "heads": 2},
    "grouped heads in a window": {"use": "multi_head", "heads": 4, "kv_heads": 2, "window": 4},
    "gated linear attention": {"use": "gated_linear_attention", "heads": 2},
    "mamba2": {"use": "mamba2", "head_width": 8},
}

RECURRENT = ("gated linear attention", "mamba2")


def language_model(mixer: Any, position: Any = "rope") -> Model:
    blocks = [{"use": "pre_norm", "mixer": mixer, "feedforward": "gelu"}]
    return made({"use": "language_model", "context": 12, "position": position, "blocks": blocks})


def made(choice: dict[str, Any]) -> Model:
    model = assemble(resolve_part(ModelPart, {"width": WIDTH, "depth": 2, **choice}), ModelSite(V), seed=3)
    model.eval()
    return model


def written(model: Model, prompt: Batch, steps: int = 14) -> Tensor:
    """The logits of each step; more steps than there is room, so that the window starts anew."""
    decoder = Decoder(model, prompt, end=-1, room=10)
    found = [decoder.logits]
    for step in range(steps):
        if step == 3:
            decoder.reorder(torch.arange(len(prompt.tokens)).flip(0))
        decoder.advance(decoder.logits.argmax(-1))
        found.append(decoder.logits)
    return torch.stack(found)


def prompts(padded: bool) -> Batch:
    tokens = torch.randint(V, (2, 5), generator=torch.Generator().manual_seed(0))
    padding = torch.ones_like(tokens, dtype=torch.bool)
    padding[0, :2] = False
    return Batch(tokens, torch.full_like(tokens, IGNORED), padding if padded else None)


@pytest.mark.parametrize("padded", [False, True], ids=["rows of one length", "padded rows"])
@pytest.mark.parametrize("mixer", MIXERS)
def test_one_graph_writes_what_the_plain_step_writes(mixer: str, padded: bool) -> None:
    torch.compiler.reset()
    model = language_model(MIXERS[mixer], "learned" if mixer in RECURRENT else "rope")
    plain = written(model, prompts(padded))
    compile_steps(model, "eager")
    assert torch.allclose(written(model, prompts(padded)), plain, atol=1e-5)


@pytest.mark.parametrize("position", ["learned", "sinusoidal", "alibi", "t5_bias", "none"])
def test_positions_are_those_of_the_newest_token(position: str) -> None:
    torch.compiler.reset()
    model = language_model(MIXERS["attention"], position)
    plain = written(model, prompts(padded=True))
    compile_steps(model, "eager")
    assert torch.allclose(written(model, prompts(padded=True)), plain, atol=1e-5)


def test_it_is_compiled_once_for_all_lengths() -> None:
    torch.compiler.reset()
    model = language_model(MIXERS["attention"])
    compile_steps(model, "eager")
    with torch._dynamo.config.patch(recompile_limit=1, fail_on_recompile_limit_hit=True):
        written(model, prompts(padded=False), steps=5)


def test_a_step_that_is_no_single_graph_stays_as_it_is_and_says_so_once() -> None:
    class Printing(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            torch._dynamo.graph_break()
            return x

    torch.compiler.reset()
    model = language_model(MIXERS["attention"])
    model.stack.final_norm = Printing()  # type: ignore[attr-defined]
    plain, said = written(model, prompts(padded=False)), list[str]()
    compile_steps(model, "eager", said.append)
    assert torch.equal(written(model, prompts(padded=False)), plain)
    assert len(said) == 1
    assert "cannot be compiled" in said[0]


def negate(model: Any) -> None:
    for weight in model.parameters():
        weight.data.neg_()  # PyTorch does not count what is written there


def exchange(model: Any) -> None:
    table = next(iter(model.parameters())).data
    table[[0, 1]] = table[[1, 0]].clone()


def write_with_numpy(model: Any) -> None:
    next(iter(model.parameters())).detach().numpy()[0, 0] += 1


CHANGES: dict[str, Callable[[Any], object]] = {
    "data": negate,
    "numpy": write_with_numpy,
    "exchanged": exchange,
    "loaded": lambda model: model.load_state_dict({name: 2 * one for name, one in model.state_dict().items()}),
    "other tensors": lambda model: model.load_state_dict(
        {name: one.clone() for name, one in model.state_dict().items()}, assign=True
    ),
    "another precision": lambda model: model.to(torch.bfloat16),
    "dropout": lambda model: model.stack.train(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_weights_is_seen_however_it_is_made(change: str) -> None:
    model: Any = language_model(MIXERS["attention"])
    before = _weights_of(model)
    written(model, prompts(padded=False))
    assert _weights_of(model) == before, "writing a text changes nothing"
    CHANGES[change](model)
    assert _weights_of(model) != before


@pytest.mark.parametrize("places", [(0, 1), (0, 5_000), (7, 4_103), (12_287, 12_288)])
def test_weights_that_are_exchanged_are_a_change(places: tuple[int, int]) -> None:
    layer = torch.nn.Linear(130, 100)
    before = _weights_of(layer)
    flat, there = layer.weight.data.view(-1), list(places)
    flat[there] = flat[there[::-1]].clone()
    assert _weights_of(layer) != before


def test_weights_that_are_no_numbers_are_no_change() -> None:
    model: Any = language_model(MIXERS["attention"])
    negate(model)
    next(iter(model.parameters())).data.fill_(torch.nan)
    assert _weights_of(model) == _weights_of(model)


def test_a_model_without_weights_can_be_asked_for() -> None:
    class Even(torch.nn.Module):
        def step(self, tokens: Tensor, decoding: Any) -> Tensor:
            return torch.zeros(len(tokens), V)

    model: Any = Even()
    compile_steps(model, "eager")
    assert torch.equal(model.step(torch.tensor([1]), Decoding([], 4, 8)), torch.zeros(1, V))


def test_where_the_compiler_can_keep_nothing_the_step_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    model, said, tried = language_model(MIXERS["attention"]), list[str](), list[int]()

    def nowhere(*given: Any, **more: Any) -> Any:
        tried.append(1)
        raise PermissionError(13, "Permission denied", "/cache")

    monkeypatch.setattr(torch, "compile", nowhere)
    plain = written(model, prompts(padded=False))
    compile_steps(model, say=said.append)
    assert torch.equal(written(model, prompts(padded=False)), plain)
    assert (len(tried), len(said)) == (1, 1)
    assert "Permission denied: '/cache'" in said[0]


@pytest.mark.exhaustive
def test_graphs_are_not_made_without_end() -> None:
    torch.compiler.reset()
    model, said = language_model(MIXERS["attention"]), list[str]()
    compile_steps(model, "eager", said.append)
    plain = written_plainly(model)
    with torch._dynamo.config.patch(recompile_limit=1):
        written(model, prompts(padded=True), steps=4)
        assert torch.allclose(written(model, prompts(padded=False)), plain, atol=1e-5)
    assert len(said) == 1


@pytest.mark.exhaustive
def test_without_a_compiler_the_step_stays_as_it_is_and_says_what_is_missing() -> None:
    torch.compiler.reset()
    model, said = language_model(MIXERS["attention"]), list[str]()
    compile_steps(model, say=said.append)
    with torch._inductor.config.patch({"cpp.cxx": (None, "/nonexistent"), "force_disable_caches": True}):
        compiled = written(model, prompts(padded=False))
    assert torch.equal(compiled, written_plainly(model))
    assert said == [
        "the decode step stays as it is, for it cannot be compiled: there is no C++ compiler here that works, such as "
        "g++ (the variable CXX can name one)"
    ]


@pytest.mark.exhaustive
@pytest.mark.parametrize("mixer", MIXERS)
def test_kernels_write_what_the_plain_step_writes(mixer: str) -> None:
    torch.compiler.reset()
    model = language_model(MIXERS[mixer], "learned" if mixer in RECURRENT else "rope")
    plain = written(model, prompts(padded=True))
    compile_steps(model)
    assert torch.allclose(written(model, prompts(padded=True)), plain, atol=1e-5)


@pytest.mark.exhaustive
def test_kernels_are_those_of_their_own_model_and_of_its_weights_as_they_are() -> None:
    torch.compiler.reset()
    one, other = language_model(MIXERS["attention"]), language_model(MIXERS["attention"])
    with torch.no_grad():
        for weight in other.parameters():
            weight.mul_(1.5)
    compile_steps(one)
    compile_steps(other)
    for model in (one, other):
        assert torch.allclose(written(model, prompts(padded=False)), written_plainly(model), atol=1e-5)
    with torch.no_grad():
        for weight in one.parameters():
            weight.data.mul_(0.5)
    assert torch.allclose(written(one, prompts(padded=False)), written_plainly(one), atol=1e-5)
    assert not torch.allclose(written_plainly(one), written_plainly(other), atol=1e-2)


def written_plainly(model: Model) -> Tensor:
    compiled = model.step
    del model.step  # type: ignore[attr-defined]
    plain = written(model, prompts(padded=False))
    model.step = compiled  # type: ignore[method-assign]
    return plain


@pytest.mark.exhaustive
def test_weights_that_are_computed_in_each_step_have_kernels_too() -> None:
    torch.compiler.reset()
    model = language_model(MIXERS["attention"])
    linears = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]  # type: ignore[attr-defined]
    torch.nn.utils.parametrizations.weight_norm(linears[0])
    plain, said = written(model, prompts(padded=False)), list[str]()
    compile_steps(model, say=said.append)
    assert torch.allclose(written(model, prompts(padded=False)), plain, atol=1e-5)
    assert not said
