"""What parts build: the interfaces between modules, as protocols.

A module fulfils one by having its methods; it need not import or derive from anything here, so that it
stays a plain `torch.nn.Module` that is useful without partwise. (This file imports no torch at run time.)

Shapes: B batch, T positions, S positions so far, C width, H heads, D head width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from partwise.data.batch import Batch

    from .flow import Decoding, Flow, State


# --- text ---------------------------------------------------------------------------------------------


# --- the network --------------------------------------------------------------------------------------


class Embedding(Protocol):
    """An `nn.Module` from ids [B, T] to vectors [B, T, width]."""

    @property
    def width(self) -> int:
        """Features it gives; if it is not the model's width, the model adds a linear projection."""
        ...

    def __call__(self, tokens: Tensor) -> Tensor: ...

    def weight_for_head(self) -> Tensor | None:
        """The [V, width] table that a tied output head shares; None if there is none to share."""
        ...


class Score(Protocol):
    """An `nn.Module` from queries [B, H, T, D] and keys [B, H, S, D] to scores [B, H, T, S]."""

    @property
    def scale(self) -> float | None:
        """If the score is the dot product times a constant, that constant (fused kernels apply); else None."""
        ...

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor: ...


class Mixer(Protocol):
    """An `nn.Module` that moves information between positions."""

    def __call__(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        """x [B, T, C] to [B, T, C].

        With a state, continues from the `flow.start` tokens it holds, and updates it in place to hold
        `flow.end`; the result equals that of one pass over all tokens.
        """
        ...

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        """A state for up to `length` tokens, of the dtype and device of `like`. For cross-attention, `length`
        is that of the memory, which the first pass (`flow.start == 0`) stores."""
        ...


class Attention(Mixer, Protocol):
    """A mixer built for `site.reads_memory` takes keys and values from `flow.memory` instead of x."""


class Block(Protocol):
    """An `nn.Module`: one layer."""

    def __call__(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        """x [B, T, C] to [B, T, C]; states as for a mixer."""
        ...

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        """States of its mixers, for `length` tokens and a memory of `memory_length`."""
        ...


class Initializer(Protocol):
    """Draws the first weights of one module, under random state that the assembly has seeded for it.

    Two attributes, which a module may set on a linear layer, tell it more: `ends_residual_branch = True` if the
    layer's output is added to the residual stream; `stacked = [sizes]` if its rows are several layers in one.
    """

    def __call__(self, module: nn.Module) -> None: ...


class Model(Protocol):
    """An `nn.Module` that reads a `Batch`. (Its `__call__` gives logits [B, T, V].)"""

    @property
    def context(self) -> int:
        """Longest sequence it is trained on."""
        ...

    @property
    def vocabulary(self) -> int:
        """V."""
        ...

    @property
    def initializer(self) -> Initializer | None:
        """Called on every module after its `reset_parameters()`; None leaves them as they are."""
        ...

    def __call__(self, batch: Batch) -> Tensor:
        """Logits [B, T, V] for the next token at each position of `batch.tokens`."""
        ...

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy in nats, summed over the scored targets: a scalar."""
        ...

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        """Reads a prompt (its targets are ignored; padding stands on the left) into states for `room` tokens.

        Returns the logits [B, V] of the next token, and the states.
        """
        ...

    def empty_states(self, batch: int, length: int, memory_length: int = 0) -> list[State]:
        """The states that `begin` makes: one per layer, for `length` tokens and a memory of `memory_length`."""
        ...

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        """Reads one more token [B] per row; returns the logits [B, V] of the next one."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...

    def train(self, mode: bool = True) -> Any: ...

    def eval(self) -> Any: ...


# --- training and decoding ----------------------------------------------------------------------------


# --- around the runs ----------------------------------------------------------------------------------
