"""Knobs, their types and checks that several attentions share."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Lt
from pydantic import PositiveInt

from partwise import PartError
from partwise.parts import AttentionPart, LayerSite

Probability = Annotated[float, Ge(0), Lt(1)]
Projection = Literal["query", "key", "value", "output"]


class GroupedHeads(AttentionPart):
    """Base of attentions whose query heads may share key and value heads."""

    heads: PositiveInt
    """Number of query heads."""
    kv_heads: PositiveInt | None = None
    """Number of key and value heads, a divisor of `heads` (Ainslie et al. 2023); null means `heads`."""
    head_width: PositiveInt | None = None
    """Features per head; null means width / heads."""
    bias: bool | tuple[Projection, ...] = True
    """Which projections have a bias: true for all, false for none, or a list of them."""

    def _shape(self, site: LayerSite) -> tuple[int, int]:
        """Key and value heads, and features per head."""
        head_width = self.head_width or equal_heads(site.width, self.heads, or_else=", or set head_width")
        kv_heads = self.kv_heads or self.heads
        if self.heads % kv_heads:
            raise PartError(f"kv_heads {kv_heads} does not divide heads {self.heads}")
        return kv_heads, head_width

    def _biased(self) -> frozenset[str]:
        """The projections that have a bias."""
        return frozenset(Projection.__args__ if self.bias is True else self.bias or ())  # type: ignore[attr-defined]


def equal_heads(width: int, heads: int, or_else: str = "") -> int:
    """Features of each head when `heads` heads divide `width` features among them.

    Raises:
        PartError: the division leaves a remainder; `or_else` adds another way to mend that.
    """
    if width % heads:
        divisors = (number for number in range(1, width + 1) if width % number == 0)
        nearest = min(divisors, key=lambda number: abs(number - heads))
        raise PartError(
            f"heads {heads} does not divide width {width}; the nearest number that does is {nearest}{or_else}"
        )
    return width // heads
