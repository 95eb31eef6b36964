"""What holds for every position encoder of the plugin."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from partwise.parts import PositionPart, PositionSite
from partwise_positions.parts import PARTS, NoPosition

SITE = PositionSite(width=8, context=40, heads=2, head_width=4)
EXAMPLES = [
    pytest.param(example, id=f"{part.name}{index}")
    for part in PARTS
    if issubclass(part, PositionPart)
    for index, example in enumerate(part.examples())
]


@pytest.mark.parametrize("part", EXAMPLES)
def test_it_acts_where_it_says_and_nowhere_else(part: PositionPart) -> None:
    encoder = part.assemble(SITE)
    x, heads, positions = torch.randn(2, 5, 8), torch.randn(2, 2, 5, 4), torch.arange(3, 8)
    angles = encoder.angles(positions)
    acts = {
        "embed": not torch.equal(encoder.embed(x, positions), x),
        "rotate": angles is not None and not torch.equal(encoder.rotate(heads, angles), heads),
        "bias": encoder.bias_table(positions) is not None,
    }
    assert {act for act, does in acts.items() if does} == part.acts


@pytest.mark.parametrize("part", EXAMPLES)
def test_built_on_meta_and_filled_later_it_is_the_same(part: PositionPart) -> None:
    torch.manual_seed(7)
    direct = part.assemble(SITE)
    with torch.device("meta"):
        later = part.assemble(SITE)
    assert all(tensor.is_meta for tensor in (*later.parameters(), *later.buffers()))
    later.to_empty(device="cpu")
    for tensor in (*later.parameters(), *later.buffers()):
        tensor.data.fill_(77)
    torch.manual_seed(7)
    for module in later.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    for one, other in zip(
        (*direct.parameters(), *direct.buffers()), (*later.parameters(), *later.buffers()), strict=True
    ):
        assert torch.equal(one, other)


@pytest.mark.parametrize("part", EXAMPLES)
def test_only_what_is_learned_is_saved(part: PositionPart) -> None:
    encoder = part.assemble(SITE)
    assert set(encoder.state_dict()) == {name for name, _ in encoder.named_parameters()}


@pytest.mark.parametrize("part", EXAMPLES)
def test_inputs_are_left_as_they_were(part: PositionPart) -> None:
    encoder = part.assemble(SITE)
    x, heads, positions = torch.randn(2, 5, 8), torch.randn(2, 2, 5, 4), torch.arange(5)
    before = [tensor.clone() for tensor in (x, heads, positions)]
    encoder.embed(x, positions)
    encoder.rotate(heads, encoder.angles(positions) or ())
    encoder.bias_table(positions)
    assert all(torch.equal(one, other) for one, other in zip(before, (x, heads, positions), strict=True))


@pytest.mark.parametrize("part", EXAMPLES)
def test_it_is_captured_as_one_graph(part: PositionPart) -> None:
    encoder = part.assemble(SITE)

    class Uses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, x: torch.Tensor, heads: torch.Tensor, positions: torch.Tensor) -> list[torch.Tensor]:
            given = [encoder.embed(x, positions)]
            angles = encoder.angles(positions)
            if angles is not None:
                given.append(encoder.rotate(heads, angles))
            bias = encoder.bias_table(positions)
            return given if bias is None else [*given, bias]

    inputs = torch.randn(2, 5, 8), torch.randn(2, 2, 5, 4), torch.arange(5)
    torch._dynamo.reset()
    captured = torch.compile(Uses(), fullgraph=True, backend="eager")(*inputs)
    for one, other in zip(captured, Uses()(*inputs), strict=True):
        assert torch.equal(one, other)


def test_none_knows_no_end() -> None:
    assert NoPosition().assemble(SITE).max_positions is None
