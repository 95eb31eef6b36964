"""Initializers: the first weights of linear and embedding layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import PositiveFloat

from partwise.parts import InitializerPart, LayerSite

if TYPE_CHECKING:
    from partwise_models.initializers import NormalInitializer, XavierInitializer


class Normal(InitializerPart):
    """Weights from a normal distribution, smaller where a residual branch ends (Radford et al. 2019)."""

    name = "normal"
    formulas = (
        r"W \sim \mathcal{N}(0, s^2)",
        r"W \sim \mathcal{N}\left(0, \frac{s^2}{2 L}\right) \quad \text{where a residual branch ends}",
    )

    std: PositiveFloat = 0.02
    """Standard deviation of the weights."""
    scale_residual: bool = True
    """Whether the weights of layers that end a residual branch are scaled by 1 / sqrt(2 * depth)."""

    def build(self, site: LayerSite) -> NormalInitializer:
        from partwise_models.initializers import NormalInitializer

        return NormalInitializer(self.std, 2 * site.depth if self.scale_residual else 1)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(std=0.1, scale_residual=False)


class Xavier(InitializerPart):
    """Uniform weights scaled by fan-in and fan-out (Glorot & Bengio 2010)."""

    name = "xavier"
    formulas = (r"W \sim \mathcal{U}(-a, a), \quad a = \sqrt{\frac{6}{n_{in} + n_{out}}}",)
    by_width = True

    def build(self, site: LayerSite) -> XavierInitializer:
        from partwise_models.initializers import XavierInitializer

        return XavierInitializer()
