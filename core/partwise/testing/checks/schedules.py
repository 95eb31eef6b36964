"""What every learning-rate schedule must do."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from partwise.errors import PartError
from partwise.parts.part import Part
from partwise.parts.sites import ScheduleSite
from partwise.testing.registering import check
from partwise.testing.violation import require, skip

STEPS = 20


@check("schedule", per="example")
def its_factors_are_sound(part: Part) -> None:
    """Its factors are finite, not negative, 1 at their peak, above 0 at the first step, and the same each time."""
    schedule: Any = part.assemble(ScheduleSite(STEPS))
    factors = [schedule(step) for step in range(STEPS)]
    require(all(isinstance(factor, float) for factor in factors), "a factor is not a float")
    require(all(math.isfinite(factor) and factor >= 0 for factor in factors), f"the factors are {factors}")
    require(factors[0] > 0, "the first update is wasted: its factor is 0")
    require(
        max(factors) == 1 or abs(max(factors) - 1) < 1e-6, f"the largest factor is {max(factors)}; lr means the peak"
    )
    require([schedule(step) for step in reversed(range(STEPS))] == factors[::-1], "it depends on what was asked before")


@check("schedule", per="example")
def it_rises_without_a_step_back(part: Part) -> None:
    """Up to its first peak it never falls. (After that, it may restart.)"""
    schedule: Any = part.assemble(ScheduleSite(STEPS))
    factors = [schedule(step) for step in range(STEPS)]
    peak = next(step for step in range(STEPS) if factors[step] >= max(factors) - 1e-6)
    rises = [factors[step] <= factors[step + 1] + 1e-9 for step in range(peak)]
    early = ", ".join(f"{factor:.3g}" for factor in factors[: peak + 1])
    require(all(rises), f"its factors fall before their first peak, at step {peak}: {early}")


@check("schedule", per="example")
def it_serves_runs_of_any_length(part: Part) -> None:
    """A run of a single update, or of a million, has sound factors too."""
    for steps in (1, 2, 3, 1_000_000):
        try:
            schedule: Any = part.assemble(ScheduleSite(steps))
        except PartError:
            continue  # it says that the run is too short for it
        factors = [schedule(step) for step in (0, steps // 2, steps - 1)]
        sound = all(math.isfinite(factor) and 0 <= factor <= 1 + 1e-6 for factor in factors)
        require(sound, f"in a run of {steps:,} updates its factors are {factors}")


LONG = 1000
NEAR = 5
"""Updates whose changes say how large the next one may be."""


@check("schedule", per="example")
def it_makes_no_jump_at_its_turns(part: Part) -> None:
    """At its first peak and at its last update, where counts are off by one, it changes no faster than nearby."""
    tried = 0
    for steps in (LONG, STEPS):
        try:
            schedule: Any = part.assemble(ScheduleSite(steps))
        except PartError:
            continue  # it says that the run is too short for it
        tried += 1
        factors = [schedule(step) for step in range(steps)]
        changes = [abs(later - earlier) for earlier, later in pairwise(factors)]
        peak = next(step for step in range(steps) if factors[step] >= max(factors) - 1e-6)
        turns = {"last update": (steps - 2, changes[-1 - NEAR : -1])}
        if peak > 2:
            turns["update of its peak"] = (peak - 1, changes[max(0, peak - 1 - NEAR) : peak - 1])
        if peak + 2 < steps:
            turns["update after its peak"] = (peak, changes[peak + 1 : peak + 1 + NEAR])
        for turn, (step, near) in turns.items():
            jump = changes[step] > 3 * max(near) + 2 / steps
            require(
                not jump,
                f"in a run of {steps:,} updates it jumps at the {turn}, from {factors[step]:.3g} to "
                f"{factors[step + 1]:.3g}, where it changes by at most {max(near):.2g} nearby",
            )
    if not tried:
        skip(f"it refuses runs of {STEPS} and of {LONG:,} updates")
