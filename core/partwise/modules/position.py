"""What a position encoder promises: to act at the embedding, by rotating queries and keys, or as a bias on scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class PositionEncoder(Protocol):
    """An `nn.Module` that acts in up to three places; where it does not act it returns x, None or None.

    `angles` is apart from `rotate` so that the trigonometry is done once per pass, not once per layer.
    """

    @property
    def max_positions(self) -> int | None:
        """Positions it knows; None if it knows no end."""
        ...

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """Embeddings [B, T, C] with their positions ([T] or [B, T]) worked in."""
        ...

    def angles(self, positions: Tensor) -> tuple[Tensor, ...] | None:
        """What `rotate` needs for positions [T] or [B, T], in float32; broadcastable to [B, H, T, ...]."""
        ...

    def rotate(self, heads: Tensor, angles: tuple[Tensor, ...]) -> Tensor:
        """Queries or keys [B, H, T, D], rotated; keeps the dtype of `heads`."""
        ...

    def bias_table(self, offsets: Tensor) -> Tensor | None:
        """[H, N] to be added to scores, for N offsets from a query to a key (negative: the key comes first).

        Of the offset alone, so that no pass needs to write out one number per query and key. A bias of anything
        else, of what stands there or of where, belongs into an attention, or into its score.
        """
        ...
