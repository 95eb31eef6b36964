"""How much time and disk a study will take, estimated from a few steps of each variant on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

from partwise.studies.results import Key
from partwise.training.decoration import reason

from .plan import Plan, PlannedVariant
from .speed import LONGEST, Speed, time_steps, whole_run

BYTES_PER_PARAMETER = 16
"""What a finished run takes on disk: weights, a checkpoint of them, and two moments, all in float32."""


@dataclass(frozen=True)
class Estimate:
    """What the runs that are still to be done will take."""

    seconds: float | None
    """Wall time with all slots busy; None if no variant could be timed."""
    bytes: int
    """On disk."""
    runs: int
    seconds_per_run: dict[Key, float]
    """Variant -> seconds; without variants whose trainer does not say how many updates it makes."""
    untimed: dict[Key, str] = field(default_factory=dict)
    """Variant -> why it could not be trained even for a few steps; its time is estimated from that of another."""


def estimate(plan: Plan, open_runs: dict[Key, int], slots: int, threads: int) -> Estimate | None:
    """Times the variants that have open runs and adds up what these will take; None if no trainer plans its updates.

    Args:
        open_runs: variant -> runs that are still to be done; trials count as runs.
        slots: runs at once.
        threads: of each slot.
    """
    per_run: dict[Key, float] = {}
    speeds: dict[Key, Speed] = {}
    untimed: dict[Key, str] = {}
    begun = perf_counter()
    # The base at every size first, so that no size is left to guess where there is no time for all variants.
    bases_first = sorted(plan.variants, key=lambda one: one.name != plan.base.name)
    waiting = [one for one in bases_first if open_runs.get(one.key)]
    for variant in waiting:
        if perf_counter() - begun > 3 * LONGEST:
            break
        try:
            timed = time_steps(variant.loaded, threads)
        except Exception as error:  # it diverges at once, say, which is for its runs to show and no reason to stop
            timed = None
            untimed[variant.key] = reason(error)
        if timed is not None:
            speeds[variant.key] = timed
    for variant in waiting:
        speed = speeds.get(variant.key) or _scaled(variant, plan, speeds)
        seconds = None if speed is None else whole_run(variant.loaded, speed)
        if seconds is not None:
            per_run[variant.key] = seconds
    if not per_run and not untimed:
        return None
    known = {key: count for key, count in open_runs.items() if key in per_run}
    busy = sum(per_run[key] * count for key, count in known.items())
    runs = sum(open_runs.values())
    size = sum(BYTES_PER_PARAMETER * one.costs.parameters * open_runs.get(one.key, 0) for one in plan.variants)
    # Only one slot works on the last run, however many there are.
    seconds = max(busy / min(slots, runs), max(per_run.values())) if per_run else None
    return Estimate(seconds, size, runs, per_run, untimed)


def _scaled(variant: PlannedVariant, plan: Plan, speeds: dict[Key, Speed]) -> Speed | None:
    """A speed estimated from that of a variant that was timed, of the nearest size, in proportion to their FLOPs."""
    known = [one for one in plan.variants if one.key in speeds]
    if not known:
        return None
    nearest = min(known, key=lambda one: (one.setting.text != variant.setting.text, _apart(one, variant)))
    has, timed = variant.costs.flops_per_token, nearest.costs.flops_per_token
    factor = has / timed if has and timed else 1.0
    return Speed(speeds[nearest.key].step * factor, speeds[nearest.key].evaluation * factor)


def _apart(one: PlannedVariant, other: PlannedVariant) -> int:
    return abs(one.setting.rung - other.setting.rung)


__all__ = ["Estimate", "Speed", "estimate", "time_steps"]
