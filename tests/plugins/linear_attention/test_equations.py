"""Every mixer is what its paper's equations say, over whole texts, beside padding and documents, and step by step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from partwise import PartError, use
from partwise.modules import Flow, causal_flow
from partwise.parts import LayerSite, MixerPart, SharedPosition
from partwise_linear_attention.parts import DeltaNet, GatedDeltaNet, GatedLinearAttention, Retention, Rwkv7

from . import loops

WIDTH, LENGTH = 8, 75
"""Longer than a chunk of 32 or 64, and no multiple of one."""


@dataclass(frozen=True)
class Case:
    """A part, and the same as a loop over one text."""

    part: MixerPart
    loop: loops.Loop
    tolerance: float = 1e-9

    def module(self) -> nn.Module:
        torch.manual_seed(3)
        module = self.part.build(LayerSite(WIDTH)).double()
        for parameter in module.parameters():  # so that no gain is one, and no offset zero
            nn.init.normal_(parameter, std=0.5)
        return module

    def expected(self, module: nn.Module, x: Tensor) -> Tensor:
        """For texts [B, T, C]."""
        return torch.stack([self.loop(loops.weights_of(module), row) for row in x])

    def same(self, one: Tensor, other: Tensor) -> None:
        torch.testing.assert_close(one, other, rtol=self.tolerance, atol=self.tolerance)


CASES = {
    "gated_linear_attention": Case(
        GatedLinearAttention(heads=2, gate_rank=3, gate_divisor=4.0),
        partial(loops.gated_linear_attention, heads=2, keys=2, values=4, divisor=4.0),
    ),
    "gated_linear_attention that forgets at once": Case(
        GatedLinearAttention(heads=1, key_ratio=1.0, value_ratio=0.5, gate_rank=3, gate_divisor=0.01),
        partial(loops.gated_linear_attention, heads=1, keys=8, values=4, divisor=0.01),
    ),
    "retention": Case(
        Retention(heads=2),
        partial(loops.retention, heads=2, keys=4, values=8),
        tolerance=1e-5,  # angles are in float32
    ),
    "retention without position": Case(
        Retention(heads=4, value_ratio=1.0, position=None),
        partial(loops.retention, heads=4, keys=2, values=2, turning=False),
    ),
    "delta_net": Case(DeltaNet(heads=2), partial(loops.delta_net, heads=2, keys=4, values=4)),
    "delta_net with any eigenvalues": Case(
        DeltaNet(heads=1, key_ratio=0.5, convolution=0, eigenvalues="any"),
        partial(loops.delta_net, heads=1, keys=4, values=8, largest=2.0),
    ),
    "gated_delta_net": Case(GatedDeltaNet(heads=2), partial(loops.delta_net, heads=2, keys=3, values=6, gated=True)),
    "rwkv7": Case(
        Rwkv7(heads=2, value_ratio=0.5, decay_rank=3, rate_rank=3, gate_rank=3),
        partial(loops.rwkv7, heads=2, keys=4, values=2),
    ),
}
every_case = pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])


def text(rows: int, length: int = LENGTH) -> Tensor:
    return torch.randn(rows, length, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@every_case
@pytest.mark.parametrize("length", [1, 2, LENGTH])
def test_a_text_is_read_as_the_equations_say(case: Case, length: int) -> None:
    module, x = case.module(), text(2, length)
    case.same(module(x, causal_flow(length)), case.expected(module, x))


@every_case
@pytest.mark.parametrize("cuts", [range(LENGTH + 1), (0, 1, 40, 41, LENGTH), (0, 64, LENGTH)], ids=str)
def test_in_pieces_and_step_by_step_it_is_the_same(case: Case, cuts: tuple[int, ...]) -> None:
    module, x = case.module(), text(2)
    state = module.empty_state(2, LENGTH, x)
    pieces = [module(x[:, s:e], Flow(torch.arange(s, e), s), state) for s, e in pairwise(cuts)]
    case.same(torch.cat(pieces, 1), case.expected(module, x))


@every_case
@pytest.mark.parametrize("filling", [0.0, 1e30, float("nan")])
def test_padding_is_not_read_on_either_side_nor_remembered(case: Case, filling: float) -> None:
    module, x = case.module(), text(3)
    kept = torch.ones(3, LENGTH, dtype=torch.bool)
    kept[0, :7], kept[1, 70:], kept[2, 5:] = False, False, False
    positions = (kept.cumsum(1) - 1).clamp_min(0)
    padded, state = x.where(kept[..., None], filling).requires_grad_(), module.empty_state(3, LENGTH, x)
    y = module(padded, Flow(positions, padding=kept))
    with torch.no_grad():
        module(padded, Flow(positions, padding=kept), state)
    for row in range(3):
        alone = module.empty_state(1, LENGTH, x)
        here = x[row : row + 1, kept[row]]
        module(here, causal_flow(here.shape[1]), alone)
        case.same(y[row : row + 1, kept[row]], case.expected(module, here))
        case.same(state["matrix"][row : row + 1], alone["matrix"])
    (gradient,) = torch.autograd.grad(y.sum(), padded)
    assert gradient.isfinite().all()
    assert not gradient[~kept].any()


@every_case
def test_a_document_begins_with_an_empty_memory(case: Case) -> None:
    module, x = case.module(), text(2)
    begins = {0: [0, 3, 4, 64, LENGTH], 1: [0, 33, 70, LENGTH]}
    documents = torch.zeros(2, LENGTH, dtype=torch.long)
    positions = torch.zeros(2, LENGTH, dtype=torch.long)
    for row, places in begins.items():
        for number, (start, end) in enumerate(pairwise(places)):
            documents[row, start:end], positions[row, start:end] = 5 + number, torch.arange(end - start)
    y = module(x, Flow(positions, documents=documents))
    for row, places in begins.items():
        for start, end in pairwise(places):
            case.same(y[row : row + 1, start:end], case.expected(module, x[row : row + 1, start:end]))


def test_without_a_position_of_its_own_retention_turns_by_the_models() -> None:
    own, shared = Retention(heads=2), SharedPosition(Retention(heads=2).position)
    asking = Retention(heads=2, position=None).build(LayerSite(WIDTH, position=shared))
    assert shared.shapes == [(2, 4)]
    module = own.build(LayerSite(WIDTH))
    asking.load_state_dict(module.state_dict())
    x, encoder = torch.randn(2, LENGTH, WIDTH), module.position
    placed = causal_flow(LENGTH).placed_by_all({(2, 4): encoder, (1, 8): encoder})
    torch.testing.assert_close(asking(x, placed), module(x, causal_flow(LENGTH)))
    assert not torch.allclose(asking(x, causal_flow(LENGTH)), module(x, causal_flow(LENGTH)))


def test_heads_that_cannot_share_the_width_are_told_what_would_fit() -> None:
    with pytest.raises(PartError, match=r"the nearest key_ratio with which they can is 0\.375"):
        GatedLinearAttention(heads=3, key_ratio=0.5, value_ratio=1.5).build(LayerSite(8))


def test_an_encoders_states_and_biases_are_refused() -> None:
    with pytest.raises(PartError, match="cannot read an encoder's states"):
        Retention(heads=2).build(LayerSite(8, memory_width=8).over_memory())
    with pytest.raises(PartError, match="adds to the scores of an attention"):
        Retention(heads=2, position=use("alibi")).build(LayerSite(8))
