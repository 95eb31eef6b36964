"""What can be said of a study before it runs: what is done, what the rest will take, what its seeds can detect."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import mean, variance
from typing import TYPE_CHECKING

from partwise.machine import cores

from .execution.engine import EnginePart
from .planning.plan import Plan
from .planning.timing import Estimate, estimate
from .results_book import ResultsBook

if TYPE_CHECKING:
    from .directories import StudyDirectories
    from .results import Results


@dataclass(frozen=True)
class Forecast:
    """The figures of a plan."""

    done: dict[str, int]
    """Variant -> runs that are done."""
    states: list[str]
    """The state of every run."""
    trials: int
    trials_done: int
    slots: int
    estimate: Estimate | None
    """None if there is nothing to do, or no variant can be timed."""
    detectable_sds: float | None
    """Smallest difference found with 80 % power, in SDs of the paired difference; None below 3 seeds."""
    detectable: float | None
    """The same in the metric's unit, if a spread is known."""
    spread: float | None
    """SD between seeds."""
    spread_from: str
    """Where the spread is known from."""
    seeds_needed: int | None
    """Seeds it takes to find the smallest effect that matters."""


def forecast(plan: Plan, where: StudyDirectories) -> Forecast:
    """The figures of a plan; trains a few steps of each variant to estimate the time."""
    results = ResultsBook(plan, where).results()
    waiting = Counter(one.variant for one in results.outcomes if one.state in ("waiting", "failed"))
    waiting.update(one.variant for one in results.trials if one.state in ("waiting", "failed"))
    slots, threads = slots_of(plan.engine)
    spread, source = _spread(plan, results)
    sds, detectable, needed = _power(plan, spread)
    return Forecast(
        done=dict(Counter(one.variant for one in results.outcomes if one.state == "done")),
        states=[one.state for one in results.outcomes],
        trials=len(results.trials),
        trials_done=sum(one.state == "done" for one in results.trials),
        slots=slots,
        estimate=estimate(plan, dict(waiting), slots, threads) if waiting else None,
        detectable_sds=sds,
        detectable=detectable,
        spread=spread,
        spread_from=source,
        seeds_needed=needed,
    )


def slots_of(engine: EnginePart) -> tuple[int, int]:
    """How many runs an engine does at once, and the threads that each has."""
    slots = engine.runs_at_once()
    return slots, max(1, cores() // slots)


def _spread(plan: Plan, results: Results) -> tuple[float | None, str]:
    """The SD between seeds, and where it is known from: the runs that are done, or else what the study assumes."""
    variances = [variance(values) for one in results.variants if len(values := results.values(one.name).values()) > 1]
    if variances:
        return mean(variances) ** 0.5, "the spread between seeds found so far"
    return plan.study.study.metric.spread, "the spread between seeds that the study assumes"


def _power(plan: Plan, spread: float | None) -> tuple[float | None, float | None, int | None]:
    from .analysis import detectable_effect, seeds_needed

    seeds, contrasts, study = len(plan.seeds), plan.contrasts, plan.study.study
    if seeds < 3 or not contrasts:
        return None, None, None
    alpha = study.looks[-1].alpha if study.looks else study.alpha
    per_sd = detectable_effect(1.0, seeds, contrasts, alpha)
    if per_sd is None:
        return None, None, None
    smallest = study.metric.smallest_effect
    needed = seeds_needed(smallest, spread, contrasts, alpha) if smallest and spread else None
    # `detectable_effect` takes the SD of one variant; the SD of a difference of two variants is sqrt(2) times that.
    return per_sd / 2**0.5, None if spread is None else per_sd * spread, needed


__all__ = ["Forecast", "forecast", "slots_of"]
