"""What the modules that parts build must offer, as protocols.

A module satisfies one by having its methods. It need not import or inherit anything from here, so it stays a plain
`torch.nn.Module` that is useful without partwise. This file imports no torch at run time.

Shapes: B batch, T positions, S positions so far, C width, H heads, D head width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from partwise.data.batch import Batch

    from .flow import Flow
    from .hidden import Hidden
    from .routing import Routing
    from .states import Decoding, State


class Embedding(Protocol):
    """An `nn.Module` from ids [B, T] to vectors [B, T, width]."""

    @property
    def width(self) -> int:
        """Features of a vector; if they are not the model's width, the model adds a linear projection."""
        ...

    def __call__(self, tokens: Tensor) -> Tensor: ...

    def weight_for_head(self) -> Tensor | None:
        """The table [V, width] that a tied output head shares; None if there is no such table."""
        ...


class Score(Protocol):
    """An `nn.Module` from queries [B, H, T, D] and keys [B, H, S, D] to scores [B, H, T, S].

    With a class attribute `reads_positions = True` it is called `module(queries, keys, positions)`, where positions
    [T] or [B, T] say where the queries stand in their texts: an index counts padding, too, and earlier documents.
    """

    @property
    def scale(self) -> float | None:
        """If the score is the dot product times a constant, that constant, so that fused kernels apply; else None."""
        ...

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor: ...


class Mixer(Protocol):
    """An `nn.Module` that moves information between positions.

    With `rows_begin_together = True` it says that no row of its state can begin anew while others go on, so that its
    model writes texts one after the other. Any other leaves alone what stands at padding, and keeps what belongs to a
    token, if it keeps that at all, along one axis in the order of the tokens: what lies there may move along that axis.
    """

    def __call__(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        """x [B, T, C] to [B, T, C].

        With a state, it continues after the `flow.start` tokens that the state holds, and updates the state in
        place to hold `flow.end` tokens. The result equals that of one pass over all tokens.
        """
        ...

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        """A state for up to `length` tokens, of the dtype and device of `like`. For cross-attention, `length` is
        the length of the memory, which the first pass (`flow.start == 0`) stores."""
        ...


class Attention(Mixer, Protocol):
    """A mixer in which positions look at each other. One built at a site where `site.reads_memory` holds takes keys
    and values from `flow.memory` instead of x."""


class FeedForward(Protocol):
    """An `nn.Module` that transforms each position on its own, x [..., C] to [..., C].

    Two class attributes say what more it can do; without them it is called with x alone.

    - `reads_flow = True`: it is called `module(x, flow)`, with x [B, T, C], because it needs to know the tokens, say,
      or adds terms to the loss.
    - `takes_groups = True`: it can be one of several experts that are computed together. All its weights are in linear
      layers, and called `module(x, groups)` it hands `groups` on to each of them.
    """

    def __call__(self, x: Tensor) -> Tensor: ...


class Router(Protocol):
    """An `nn.Module` that chooses experts for tokens."""

    def __call__(self, x: Tensor, flow: Flow) -> Routing:
        """x [B, T, C]. Terms of the loss that balance the experts go to `flow.add_term`, in training only."""
        ...


class Updated(Protocol):
    """An `nn.Module` anywhere in a model that is told of every update of the weights."""

    def after_update(self, total: Callable[[Tensor], Tensor]) -> None:
        """Trainers call it after each update, in every process; `total` gives the sum of a tensor over all of them."""
        ...


class Residual(Protocol):
    """An `nn.Module`: how one branch joins the residual stream, [B, T, C] or, where it is wide, [B, T, N, C]."""

    def read(self, stream: Tensor) -> Tensor:
        """What the branch reads, [B, T, C], before the block's norm."""
        ...

    def write(self, stream: Tensor, branch: Tensor) -> Tensor:
        """The stream after the branch has given [B, T, C]."""
        ...


class StreamEnds(Protocol):
    """An `nn.Module`: the two ends of a stream that is wider than the vectors."""

    def open(self, x: Tensor) -> Tensor:
        """The stream below the first layer, from the embedding [B, T, C]."""
        ...

    def close(self, stream: Tensor) -> Tensor:
        """[B, T, C], what the final norm reads, from the stream above the last layer."""
        ...


class Block(Protocol):
    """An `nn.Module`: one layer."""

    def __call__(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        """The residual stream, [B, T, C] or whatever form the model's residual gives it, to the same; with a state as
        for a mixer."""
        ...

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        """The states of its mixers, for up to `length` tokens and a memory of `memory_length`."""
        ...


class Initializer(Protocol):
    """Draws the first weights of one module, with a random state that assembly has seeded for that module.

    A module may set two attributes on a linear layer for it: `ends_residual_branch = True` if the layer's output is
    added to the residual stream, and `stacked = [sizes]` if its rows are several layers in one.
    Weight maps heed `alike = N` beside it: the rows are those of N layers of one shape, such as experts.
    """

    def __call__(self, module: nn.Module) -> None: ...


class Model(Protocol):
    """An `nn.Module` that reads a `Batch` and predicts the next token at each position."""

    @property
    def width(self) -> int:
        """C, features of the vectors before its head."""
        ...

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
        """Called on every module after its `reset_parameters()`; None if modules keep the weights that these drew."""
        ...

    def __call__(self, batch: Batch) -> Tensor:
        """Logits [B, T, V] for the next token at each position of `batch.tokens`."""
        ...

    def hidden(self, batch: Batch) -> Hidden:
        """The vectors before its head, and what the pass that made them carries: what an objective reads."""
        ...

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy in nats, summed over the scored targets: a scalar, without any term. Evaluation is by it."""
        ...

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        """The prefill: reads a prompt into states for `room` tokens.

        The prompt is padded on the left, if at all, and its targets are ignored. Returns the logits [B, V] of the
        next token, and the decoding to continue with.
        """
        ...

    def empty_states(self, batch: int, length: int, memory_length: int = 0) -> list[State]:
        """The states that `begin` fills, for `length` tokens and a memory of `memory_length`: one per layer, and what
        else the model remembers."""
        ...

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        """A decode step: reads one more token per row, [B], and returns the logits [B, V] of the next one."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...

    def train(self, mode: bool = True) -> Any: ...

    def eval(self) -> Any: ...


class Extends(Protocol):
    """A model that reads several more tokens at once; decoding then reads long prompts in chunks, and rows that end
    make room for other texts. Any model may offer it."""

    def extend(self, tokens: Tensor, decoding: Decoding, scored: int = 1) -> Tensor:
        """Reads tokens [B, T] after those of `decoding`, as T decode steps would.

        Returns the logits [B, scored, V] of what follows each of the last `scored` of them. Those that
        `decoding.padding` has as False are padding.
        """
        ...
