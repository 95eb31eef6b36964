"""What changes an attention's values by what else a pass carries: a kind of part that attentions define."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import FiniteFloat

from partwise import Part, Slot

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ValuesSite:
    """The site of a part that changes values, inside an attention."""

    layer: int
    """Index of the layer in its stack, from 0."""
    heads: int
    """Key and value heads, K."""
    head_width: int
    """Features per head, D."""


class ValuesPart(Part):
    """Changes the values of an attention by what else the pass carries, before they are kept and weighed."""

    kind = "values"
    builds_module = True

    shares: ClassVar[bool] = False
    """Whether layers hand their values to each other, so that these must have one shape in a stack."""

    def build(self, site: ValuesSite) -> nn.Module:
        """A module from values [B, K, T, D] and the flow to values [B, K, T, D]."""
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {
            "first": ValuesSite(layer=0, heads=2, head_width=3),
            "later": ValuesSite(layer=1, heads=2, head_width=3),
        }


Values = Annotated[ValuesPart, Slot()]


class ValueResidual(ValuesPart):
    """Mixes the values of the first layer into those of later ones: ResFormer (Zhou et al. 2024).

    Where the first layer is no attention, the first attention takes its place, and mixes its values with themselves.
    """

    name = "value_residual"
    formulas = (r"V'_l = \lambda_1 V_1 + \lambda_2 V_l",)
    shares = True

    first: FiniteFloat = 0.5
    """Weight of the first layer's values."""
    own: FiniteFloat = 0.5
    """Weight of the layer's own values."""
    learned: bool = True
    """Whether the two weights are learned, in each layer for itself; if not, they keep these values."""

    def build(self, site: ValuesSite) -> nn.Module:
        from partwise_attention import value_residual

        if site.layer == 0:
            return value_residual.FirstValues()
        return value_residual.ValueResidual(self.first, self.own, self.learned)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(first=0.2, own=0.9, learned=False)
