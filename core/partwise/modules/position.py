"""`PositionEncoder`: what the module of a position part must offer; `placed`: how a model calls it.

Shapes: B batch, T positions, C width, H heads, D head width, N offsets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from .flow import Flow
    from .states import State


class PositionEncoder(Protocol):
    """An `nn.Module` that acts in up to three places: on embeddings, on queries and keys, and on attention scores.

    Where it does not act, `embed` returns x, and `angles` and `bias_table` return None. `angles` is apart from
    `rotate` so that sines and cosines are computed once per pass, not once per layer.
    """

    @property
    def max_positions(self) -> int | None:
        """Number of positions it knows; None if there is no limit."""
        ...

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """Embeddings [B, T, C] with their positions, [T] or [B, T], worked in."""
        ...

    def angles(self, positions: Tensor) -> tuple[Tensor, ...] | None:
        """What `rotate` needs for positions [T] or [B, T], in float32; broadcastable to [B, H, T, ...]."""
        ...

    def rotate(self, heads: Tensor, angles: tuple[Tensor, ...]) -> Tensor:
        """Queries or keys [B, H, T, D], rotated; keeps the dtype of `heads`."""
        ...

    def bias_table(self, offsets: Tensor) -> Tensor | None:
        """[H, N] to be added to scores, for N offsets from a query to a key (negative: the key comes first).

        It depends on the offset alone, so that no pass needs a number per query and key. A bias that depends on
        anything else (the content, or absolute positions) belongs in an attention or its score.
        """
        ...


class CountingEncoder(PositionEncoder, Protocol):
    """A position encoder that counts for itself where a token stands, by the ids of the tokens: in its number, say.

    What it counts is handed to its own `embed` in place of the positions of the text.
    """

    def places(self, flow: Flow, state: State | None = None) -> Tensor:
        """The place of each token of this pass, int64, [B, T]. With a state, it goes on after the tokens before, and
        updates the state in place."""
        ...

    def empty_state(self, batch: int, like: Tensor) -> State:
        """What it remembers before the first token, on the device of `like`."""
        ...


def counts_places(encoder: Any) -> bool:
    """Whether a position encoder counts for itself where a token stands."""
    return callable(getattr(encoder, "places", None))


def placed(encoder: Any, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
    """Embeddings [B, T, C] of the tokens of this pass with their positions worked in; with `state`, that of an encoder
    which counts for itself."""
    embedded: Tensor = encoder.embed(x, encoder.places(flow, state) if counts_places(encoder) else flow.positions)
    return embedded
