"""The decode step of a model as one compiled graph, for long texts and many samples.

Most of a step's time on a CPU goes into Python and into starting some hundred small operations; a graph has neither.
It is made once, for any number of tokens so far: the length is a symbol in it, so that keys and values are still read
up to the newest token only, and nothing is computed for room that is not filled.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from partwise.modules.protocols import Model
from partwise.modules.states import Decoding, State

Compiler = Literal["inductor", "eager"]
PAYS_FROM = 50_000
"""Steps from which on the time that compiling takes, some 30 seconds on two cores, is won back: a graph saves about
half a millisecond a step (`make bench`, width 128, one text)."""


def compile_steps(
    model: Model, compiler: Compiler = "inductor", say: Callable[[str], None] = lambda line: None
) -> None:
    """From now on the model's decode steps are one graph, made at the first of them.

    A step that cannot be one graph (PyTorch's own LSTM), or for which there is no C++ compiler, stays as it is.

    Args:
        compiler: inductor makes kernels; eager runs PyTorch's own, to see whether there is one graph at all.
        say: is told why, if it stays as it is.
    """
    model.step = CompiledStep(model, compiler, say)  # type: ignore[method-assign]


class CompiledStep:
    """`model.step`, compiled."""

    def __init__(self, model: Model, compiler: Compiler, say: Callable[[str], None]) -> None:
        self._plain = type(model).step.__get__(model)
        self._say = say
        self._graph: Callable[..., Tensor] | None = torch.compile(
            self._step, backend=compiler, fullgraph=True, dynamic=True
        )

    def __call__(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        # 0 and 1 are no symbols, and would each have a graph of their own.
        if self._graph is None or decoding.length < 2:
            return self._plain(tokens, decoding)
        given = (decoding.padding, decoding.positions, decoding.memory, decoding.memory_padding)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what the compiler says of itself
                logits = self._graph(tokens, decoding.length, decoding.room, decoding.states, *given)
        except torch._dynamo.exc.TorchDynamoException as error:  # raised before the step has changed anything
            self._graph = None
            reason = str(error).strip().partition("\n")[0]
            self._say(f"the decode step stays as it is, for it cannot be compiled: {reason}")
            return self._plain(tokens, decoding)
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
