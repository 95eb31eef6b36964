"""The built-in adapters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt

from partwise.parts import AdapterPart, AdapterSite

if TYPE_CHECKING:
    from partwise.modules import Adapter


class Lora(AdapterPart):
    """Adds a product of two thin matrices to a weight (Hu et al. 2021, arXiv:2106.09685).

    Where several layers of one input are joined into one, as queries, keys and values are, each has a product of its
    own.
    """

    name = "lora"
    formulas = (r"y = x W^\top + b + \frac{\alpha}{r}\, x A^\top B^\top",)

    rank: PositiveInt = 8
    """Inner size of the product."""
    alpha: PositiveFloat = 16.0
    """The product is scaled by alpha / rank, so that another rank needs no other learning rate."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the features that the product reads which is left out while it learns."""
    first: Literal["kaiming", "gaussian"] = "kaiming"
    """How the matrix on the input's side is drawn; the other begins at zero. kaiming: uniformly, by the root of the
    inputs, as linear layers of PyTorch are. gaussian: normally, with a deviation of 1 / rank."""

    def build(self, site: AdapterSite) -> Adapter:
        from partwise_adapters.lora import LowRank

        return LowRank(site.inputs, site.outputs, self.rank, self.alpha / self.rank, self.dropout, self.first)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls()
        yield cls(targets=("mixer",), rank=2, alpha=6.0, dropout=0.25, first="gaussian")


PARTS = [Lora]
