"""`PositionEncoder`: what the module of a position part must offer.

Shapes: B batch, T positions, C width, H heads, D head width, N offsets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


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
