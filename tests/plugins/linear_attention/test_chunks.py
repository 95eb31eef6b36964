"""States from chunk to chunk, in texts of any length, and in graphs for texts of any length."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from partwise.modules import causal_flow
from partwise.parts import LayerSite, MixerPart
from partwise_linear_attention.chunks import states_before
from partwise_linear_attention.parts import PARTS

SHAPES = {"a number": (1, 1), "a number per feature": (3, 1), "a matrix": (3, 3)}
EXAMPLES = {part.name: next(iter(part.examples())) for part in PARTS}
every_part = pytest.mark.parametrize("part", EXAMPLES.values(), ids=EXAMPLES)
one_part_and_exhaustively_all = pytest.mark.parametrize(
    "part",
    [
        pytest.param(part, id=name, marks=() if name == "gated_delta_net" else pytest.mark.exhaustive)
        for name, part in EXAMPLES.items()
    ],
)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 13])
def test_states_are_what_one_chunk_after_another_leaves(shape: tuple[int, int], count: int) -> None:
    transitions, updates = torch.randn(2, 2, count, *shape).double(), torch.randn(2, 2, count, 3, 5).double()
    state = torch.randn(2, 2, 3, 5).double()
    expected, found = [state], states_before(transitions, updates, state)
    for chunk in range(count):
        a = transitions[:, :, chunk]
        state = (a @ state if shape[1] == 3 else a * state) + updates[:, :, chunk]
        expected.append(state)
    torch.testing.assert_close(found, torch.stack(expected, 2))


@dataclass
class Compiled:
    """A mixer that is compiled, and how many graphs that took; with `backward`, PyTorch traces the way back, too."""

    module: nn.Module
    backward: bool
    graphs: int = 0

    def __post_init__(self) -> None:
        torch._dynamo.reset()
        self.compiled = torch.compile(self.plain, fullgraph=True, backend=self._count)

    def plain(self, x: Tensor) -> Tensor:
        y: Tensor = self.module(x, causal_flow(x.shape[1]))
        return y

    def _count(self, graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        from torch._dynamo.backends.debugging import aot_eager

        self.graphs += 1
        return aot_eager(graph, inputs) if self.backward else graph.forward


@one_part_and_exhaustively_all
def test_one_graph_serves_texts_of_any_number_of_chunks(part: MixerPart) -> None:
    mixer = Compiled(part.build(LayerSite(16)), backward=False)
    for length in (6, 7, 130, 64, 33, 300):
        x = torch.randn(2, length, 16)
        torch.testing.assert_close(mixer.compiled(x), mixer.plain(x))
    assert mixer.graphs == 2  # one for the first length, one for all


@pytest.mark.exhaustive
@every_part
def test_gradients_in_that_graph_are_those_without(part: MixerPart) -> None:
    mixer = Compiled(part.build(LayerSite(16)), backward=True)
    for length in (6, 7, 130, 300):
        gradients = []
        for call in (mixer.compiled, mixer.plain):
            x = torch.randn(2, length, 16, generator=torch.Generator().manual_seed(1)).requires_grad_()
            mixer.module.zero_grad()
            call(x).square().sum().backward()
            gradients.append([x.grad, *(one.grad for one in mixer.module.parameters())])
        torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-3)
    assert mixer.graphs == 2


@one_part_and_exhaustively_all
def test_a_program_exported_with_a_short_text_reads_long_ones(part: MixerPart) -> None:
    class Called(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixer = part.build(LayerSite(16))

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.mixer(x, causal_flow(x.shape[1]))
            return y

    module, any_size = Called(), torch.export.Dim.AUTO
    with torch.no_grad():
        program = torch.export.export(
            module, (torch.randn(2, 6, 16),), dynamic_shapes=({0: any_size, 1: any_size},), strict=False
        )
        for length in (3, 64, 200):
            x = torch.randn(3, length, 16)
            torch.testing.assert_close(program.module()(x), module(x))
