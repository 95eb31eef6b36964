"""What passes through a model besides the activations: `Flow` per forward pass, `Batch` per step, states.

Shapes: B batch, T positions of this pass, S positions so far (cached ones and these), M positions of the
memory, C width, H heads, D head width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from .caching import cached_property
from .masks import Bias, Mask, Visibility

if TYPE_CHECKING:
    from .position import PositionEncoder

State = dict[str, Any]
"""What a module remembers while decoding: tensors, batch first, preallocated and updated in place; a module
with children nests theirs."""


@dataclass(frozen=True)
class Flow:
    """The facts of one forward pass that every layer may need."""

    positions: Tensor
    """Position of each token in its text, int64, [T] or [B, T]."""
    start: int = 0
    """Tokens that the states already hold; this pass begins at that index of the cache."""
    padding: Tensor | None = None
    """[B, S] bool, True where there is a token and False where there is padding; None: no padding."""
    documents: Tensor | None = None
    """[B, S] int, which of several packed documents a token belongs to; tokens see only their own."""
    memory: Tensor | None = None
    """[B, M, C] the encoder's states, for cross-attention."""
    memory_padding: Tensor | None = None
    """[B, M] bool, True where the memory holds a token."""
    encoder: PositionEncoder | None = None
    """The position encoder in force inside attention."""
    angles: tuple[Tensor, ...] | None = None
    """What `encoder.angles` gave for these positions; computed once per pass, used by every layer."""
    bias: Bias | None = None
    """What `encoder` adds to scores; computed once per pass, used by every layer."""
    _masks: dict[Visibility, Mask] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def length(self) -> int:
        """T."""
        return self.positions.shape[-1]

    @cached_property
    def end(self) -> int:
        """S."""
        return self.start + self.length

    def placed_by(self, encoder: PositionEncoder) -> Flow:
        """The same pass with `encoder` in force: its angles and bias computed for these positions."""
        # Between tokens of one text, places in the cache are as far apart as positions.
        table = encoder.bias_table(torch.arange(1 - self.end, self.length, device=self.positions.device))
        bias = None if table is None else Bias(table, self.length)
        return replace(self, encoder=encoder, angles=encoder.angles(self.positions), bias=bias)

    def mask(self, visibility: Visibility) -> Mask:
        """Which tokens so far this pass's tokens see; made once per pass, shared by all layers of equal visibility."""
        if visibility not in self._masks:
            by_row = self.documents if self.padding is None else self.padding
            self._masks[visibility] = Mask(
                rule=visibility.rule(self.start, self.padding, self.documents),
                hides=self._hidden_from(visibility),
                queries=self.length,
                keys=self.end,
                rows=None if by_row is None else by_row.shape[0],
                device=self.positions.device,
            )
        return self._masks[visibility]

    @cached_property
    def memory_mask(self) -> Mask:
        """Which tokens of the memory this pass's tokens see: all but padding."""
        padding = self.memory_padding
        if padding is None:
            return Mask(lambda row, head, query, key: key >= 0, "nothing", self.length, 0, None, self.positions.device)
        return Mask(
            rule=lambda row, head, query, key: padding[row, key],
            hides="more",
            queries=self.length,
            keys=padding.shape[1],
            rows=padding.shape[0],
            device=self.positions.device,
        )

    def _hidden_from(self, visibility: Visibility) -> Literal["nothing", "future", "more"]:
        narrow = visibility.window is not None and visibility.window < self.end
        if narrow or self.padding is not None or self.documents is not None:
            return "more"
        if not visibility.causal or self.length == 1:  # a single token, the last so far, sees all there is
            return "nothing"
        return "future" if self.start == 0 else "more"

    def rotate(self, heads: Tensor) -> Tensor:
        """Queries or keys [B, H, T, D], rotated to their positions if the encoder in force rotates."""
        if self.encoder is None or self.angles is None:
            return heads
        return self.encoder.rotate(heads, self.angles)


@dataclass
class Decoding:
    """A model in the middle of writing: states, and how far they are filled."""

    states: list[State]
    """One per layer."""
    length: int
    """Tokens the states hold."""
    room: int
    """Tokens the states can hold."""
    padding: Tensor | None = None
    """[B, room] bool, True where a token stands; None if no row of the prompt was padded."""
    positions: Tensor | None = None
    """[B] position of the next token in each row; None if it is `length` for all."""
    memory: Tensor | None = None
    """[B, M, C] the encoder's states."""
    memory_padding: Tensor | None = None
    """[B, M] bool."""

    def reorder(self, rows: Tensor) -> None:
        """Makes row i continue what row `rows[i]` wrote so far; `rows` may be longer or shorter than B."""
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


def causal_flow(length: int, device: torch.device | str = "cpu") -> Flow:
    """The flow of `length` tokens from position 0, with nothing else in play; handy in tests and notebooks."""
    return Flow(positions=torch.arange(length, device=device))


__all__ = ["Decoding", "Flow", "State", "causal_flow", "reordered", "tensors_of"]
