"""Parametrisations: how first weights, rates, attention and logits follow from a model's width and depth.

With m = width / base_width, l = depth / base_depth, and Adam or an optimizer like it. Factors of what
the recipe says, which holds at the base:

                          mup                  completep
    embedding             -                    eps 1 / m
    head, tied or not     logits 1 / m         logits 1 / m, eps 1 / m
    matrix, deviation     1 / sqrt(m)          1 / sqrt(m)
    matrix, rate          1 / m                1 / m, eps 1 / (m l)
    vector                -                    eps 1 / (m l)
    attention's scores    1 / sqrt(m)          1 / sqrt(m)
    residual branches     -                    1 / l

The decay of matrices, which optimizers multiply with their rate, is multiplied by m, so that their product stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import PositiveInt

from partwise.parts import ParametrisationPart, ParametrisationSite

if TYPE_CHECKING:
    from partwise.modules import Parametrisation, Scales


class Standard(ParametrisationPart):
    """Leaves weights, rates, attention and logits as recipe and modules have them, at every width and depth."""

    name = "standard"
    formulas = (r"\sigma' = \sigma, \quad \eta' = \eta",)
    sets_weights = False
    known_failures: ClassVar[Mapping[str, str]] = {
        "coordinates_stay_flat_in_width": "with one rate for all widths, what an update changes grows with the width"
    }

    def build(self, site: ParametrisationSite) -> Parametrisation:
        from partwise.modules import Parametrisation

        return Parametrisation()

    def base(self, site: ParametrisationSite) -> ParametrisationSite:
        return site


class _ByWidth(ParametrisationPart):
    """Base of those that follow the width."""

    base_width: PositiveInt
    """Width of the model at which recipes with and without it mean the same; where rates are tuned."""
    heads: Literal["widen", "multiply"] = "widen"
    """What of attention grows with the width: widen, each head, so that scores are divided by its width instead of the
    root of its width; multiply, the number of heads, so that their scale stays."""

    def _times(self, site: ParametrisationSite) -> float:
        return site.width / self.base_width

    def _scores(self, site: ParametrisationSite) -> float:
        return 1.0 if self.heads == "multiply" else float(self._times(site) ** -0.5)

    def base(self, site: ParametrisationSite) -> ParametrisationSite:
        return replace(site, width=self.base_width)


class Mup(_ByWidth):
    """Maximal updates, muP (Yang et al. 2022, arXiv:2203.03466, table 8): rates for Adam that hold at every width."""

    name = "mup"
    formulas = (
        r"m = \frac{\text{width}}{\text{base width}}",
        r"\sigma'_{matrix} = \frac{\sigma}{\sqrt{m}}",
        r"\eta'_{matrix} = \frac{\eta}{m}",
        r"z' = \frac{z}{m}",
    )

    def build(self, site: ParametrisationSite) -> Parametrisation:
        from partwise.modules import Parametrisation

        times = self._times(site)
        return Parametrisation(self._scores(site), logits=1 / times, roles=_hidden(times, 1.0))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(base_width=16)
        yield cls(base_width=8, heads="multiply")


class CompleteP(_ByWidth):
    """CompleteP (Dey et al. 2025, arXiv:2505.01618, table 1, alpha 1): rates for Adam that hold at every depth, too."""

    name = "completep"
    formulas = (
        r"m = \frac{\text{width}}{\text{base width}}, \quad l = \frac{\text{depth}}{\text{base depth}}",
        r"\sigma'_{matrix} = \frac{\sigma}{\sqrt{m}}",
        r"\eta'_{matrix} = \frac{\eta}{m}",
        r"z' = \frac{z}{m}",
        r"y = x + \frac{1}{l} f(x)",
    )

    base_depth: PositiveInt
    """Layers of the model at which recipes with and without it mean the same."""

    def build(self, site: ParametrisationSite) -> Parametrisation:
        from partwise.modules import Parametrisation, Scales

        times, deeper = self._times(site), site.depth / self.base_depth
        ends, inside = Scales(eps=1 / times), 1 / (times * deeper)
        roles = _hidden(times, inside) | {"embedding": ends, "head": ends, "vector": Scales(eps=inside)}
        return Parametrisation(self._scores(site), 1 / times, 1 / deeper, self.base_depth, roles)

    def base(self, site: ParametrisationSite) -> ParametrisationSite:
        return replace(super().base(site), depth=self.base_depth)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(base_width=16, base_depth=2)
        yield cls(base_width=8, base_depth=1, heads="multiply")


def _hidden(times: float, eps: float) -> dict[str, Scales]:
    """Hidden matrices, from a width to a width; and routers, from a width to a few."""
    from partwise.modules import Scales

    matrix = Scales(weights=times**-0.5, rate=1 / times, decay=times, eps=eps)
    return {"matrix": matrix, "router": replace(matrix, weights=1 / times)}


PARTS = (CompleteP, Mup, Standard)
