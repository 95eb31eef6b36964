"""The decode step of a model as one compiled graph, for long texts and many samples.

Most of a step's time on a CPU goes into Python and into starting some hundred small operations; a graph has neither.
It is made once, for any number of tokens so far: the length is a symbol in it, so that keys and values are still read
up to the newest token only, and nothing is computed for room that is not filled.
"""

from __future__ import annotations

import warnings
from typing import Literal

import torch
from torch import Tensor

from partwise.errors import InputError
from partwise.modules.protocols import Model
from partwise.modules.states import Decoding, State

Compiler = Literal["inductor", "eager"]
PAYS_FROM = 50_000
"""Steps from which on the time that compiling takes, some 30 seconds on two cores, is won back. Measured (`make bench`)
with widths of 128 and 384, where a graph saves some 0.7 ms a step."""


def compile_steps(model: Model, compiler: Compiler = "inductor") -> None:
    """From now on the model's decode steps are one graph, made at the first of them.

    Args:
        compiler: inductor makes kernels; eager runs PyTorch's own, to see whether there is one graph at all.
    """
    model.step = CompiledStep(model, compiler)  # type: ignore[method-assign]


class CompiledStep:
    """`model.step`, compiled."""

    def __init__(self, model: Model, compiler: Compiler) -> None:
        self._plain = type(model).step.__get__(model)
        self._graph = torch.compile(self._step, backend=compiler, fullgraph=True, dynamic=True)

    def __call__(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        """
        Raises:
            InputError: it cannot be one graph, or there is no compiler.
        """
        given = (decoding.padding, decoding.positions, decoding.memory, decoding.memory_padding)
        if decoding.length < 2:  # 0 and 1 are no symbols, and would each have a graph of their own
            return self._plain(tokens, decoding)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what the compiler says of itself
                logits: Tensor = self._graph(tokens, decoding.length, decoding.room, decoding.states, *given)
        except (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise InputError(
                f"the model's decode step cannot be compiled ({reason}); generate without compiling"
            ) from error
        decoding.advance()
        return logits

    def _step(
        self,
        tokens: Tensor,
        length: int,
        room: int,
        states: list[State],
        padding: Tensor | None,
        positions: Tensor | None,
        memory: Tensor | None,
        memory_padding: Tensor | None,
    ) -> Tensor:
        return self._plain(tokens, Decoding(states, length, room, padding, positions, memory, memory_padding))


__all__ = ["PAYS_FROM", "CompiledStep", "compile_steps"]
