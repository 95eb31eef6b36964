"""Mistakes in parametrisations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from partwise.modules import Parametrisation, Scales
from partwise.parts import ParametrisationPart, ParametrisationSite
from partwise.testing.checks import parametrisations

from .planting import Kills

KILLS = Kills()
SITE = ParametrisationSite(width=64, depth=2)
BASE = 32


def parametrisation(
    weights: float = -0.5, rate: float = -1.0, logits: float = -1.0, scores: float = -0.5, of: int = BASE
):
    """muP, or with other powers of the width; `of` is the width that it divides by."""

    class Planted(ParametrisationPart):
        """A parametrisation with a mistake in it."""

        name = "planted"

        def build(self, site: ParametrisationSite) -> Parametrisation:
            times = site.width / of
            matrix = Scales(weights=times**weights, rate=times**rate)
            return Parametrisation(times**scores, times**logits, roles={"matrix": matrix})

        def base(self, site: ParametrisationSite) -> ParametrisationSite:
            return replace(site, width=BASE)

    return Planted()


for mistake, wrong in (
    ("rates that do not follow the width", {"rate": 0.0}),
    ("rates that follow it twice", {"rate": -2.0}),
    ("logits that do not follow the width", {"logits": 0.0}),
    ("logits that follow it twice", {"logits": -2.0}),
):
    KILLS.plant(
        parametrisations.coordinates_stay_flat_in_width,
        mistake,
        parametrisation,
        lambda wrong=wrong: parametrisation(**wrong),
        SITE,
    )
KILLS.plant(
    parametrisations.at_its_base_it_changes_nothing,
    "another base than it says",
    parametrisation,
    lambda: parametrisation(of=2 * BASE),
    SITE,
)


class Lopsided(Parametrisation):
    def scales(self, role: str, dimensions: int) -> Scales:
        return Scales(rate=0.5) if role == "vector" else super().scales(role, dimensions)


def with_slow_vectors() -> Any:
    part = parametrisation()
    build = type(part).build
    type(part).build = lambda self, site: Lopsided(**vars(build(self, site)))  # type: ignore[method-assign]
    return part


KILLS.plant(
    parametrisations.at_its_base_it_changes_nothing, "slow vectors everywhere", parametrisation, with_slow_vectors, SITE
)
