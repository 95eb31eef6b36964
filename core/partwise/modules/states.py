"""What is remembered while a model decodes: `State` by one module, `Decoding` by the whole model.

Shapes: B batch, M positions of the memory, C width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

State = dict[str, Any]
"""What one module remembers between decode steps, such as keys and values, or a recurrent state: tensors by name,
batch first, preallocated and updated in place. The state of a module with children holds theirs as dicts."""


@dataclass
class Decoding:
    """A model in the middle of decoding: the states of its layers, and how far they are filled.

    `start_decoding` makes one after the prefill.
    """

    states: list[State]
    """One per layer."""
    length: int
    """Number of tokens that the states hold."""
    room: int
    """Number of tokens that the states can hold."""
    padding: Tensor | None = None
    """[B, room] bool, True where a token stands; None if no row of the prompt was padded."""
    positions: Tensor | None = None
    """[B] int64, position of the next token in each row; None if it is `length` in all rows."""
    memory: Tensor | None = None
    """[B, M, C], the encoder's output."""
    memory_padding: Tensor | None = None
    """[B, M] bool, True where the memory holds a token; None: no padding."""

    def advance(self, count: int = 1) -> None:
        """Counts `count` more tokens per row, which the states now hold; to be called at the end of each decode step.
        What is padding among them has no position."""
        if self.positions is not None:
            new = None if self.padding is None else self.padding[:, self.length : self.length + count]
            self.positions = self.positions + (count if new is None else new.sum(1))
        self.length += count

    def reorder(self, rows: Tensor) -> None:
        """Makes row i continue the text of row `rows[i]`; `rows` may be longer or shorter than B."""
        self.states = [reordered(state, rows) for state in self.states]
        for name in ("padding", "positions", "memory", "memory_padding"):
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, value.index_select(0, rows))


def reordered(state: State, rows: Tensor) -> State:
    """A state whose batch row i is row `rows[i]` of the given one."""
    return {
        name: reordered(value, rows) if isinstance(value, dict) else value.index_select(0, rows)
        for name, value in state.items()
    }


def tensors_of(state: State) -> Iterator[Tensor]:
    """Every tensor in a state, nested ones included."""
    for value in state.values():
        if isinstance(value, dict):
            yield from tensors_of(value)
        else:
            yield value
