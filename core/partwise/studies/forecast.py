"""What can be said of a study before it runs: what is done, what the rest will take, what its seeds can detect."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil
from statistics import mean, variance
from typing import TYPE_CHECKING

from partwise.machine import cores

from .execution.engine import EnginePart
from .planning.halving import whole_trainings
from .planning.plan import Plan
from .planning.timing import Estimate, estimate
from .results import Key, at_setting
from .results_book import ResultsBook
from .validity import FEWEST_SEEDS

if TYPE_CHECKING:
    from .directories import StudyDirectories
    from .results import Results


@dataclass(frozen=True)
class Forecast:
    """The figures of a plan."""

    done: dict[Key, int]
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
    """The same in the metric's unit, if a spread is known: at the first setting, of several."""
    spread: float | None
    """SD between seeds or, where runs are done in pairs, of their differences; at the first setting."""
    spread_from: str
    """Where the spread is known from."""
    seeds_needed: int | None
    """Seeds it takes to find the smallest effect that matters."""
    tests: int
    """That share the error rate: comparisons with the baseline at every setting and, in a grid, effects."""
    powers: list[SettingPower] = field(default_factory=list)
    """What is detected at each setting, of several."""


@dataclass(frozen=True)
class SettingPower:
    """What can be detected at one size on one text; see `Forecast`."""

    size: str | None
    text: str | None
    detectable: float | None
    spread: float | None
    spread_from: str
    seeds_needed: int | None

    @property
    def words(self) -> str:
        """`at width 96 on wiki`."""
        return at_setting(self.size, self.text).strip()


def forecast(plan: Plan, where: StudyDirectories) -> Forecast:
    """The figures of a plan; trains a few steps of each variant to estimate the time."""
    results = ResultsBook(plan, where).results()
    waiting = Counter(one.key for one in results.outcomes if one.state in ("waiting", "failed"))
    waiting.update(_open_trials(plan, results))
    slots, threads = slots_of(plan.engine)
    tests = _tests(results)
    sds, powers = _powers(plan, results, tests)
    first = powers[0]
    return Forecast(
        done=dict(Counter(one.key for one in results.outcomes if one.state == "done")),
        states=[one.state for one in results.outcomes],
        trials=len(results.trials),
        trials_done=sum(one.state == "done" for one in results.trials),
        slots=slots,
        estimate=estimate(plan, dict(waiting), slots, threads) if waiting else None,
        detectable_sds=sds,
        detectable=first.detectable,
        spread=first.spread,
        spread_from=first.spread_from,
        seeds_needed=first.seeds_needed,
        tests=tests,
        powers=powers if len(powers) > 1 else [],
    )


def _open_trials(plan: Plan, results: Results) -> dict[Key, int]:
    """What is still to be tried, in whole trainings, rounded up; a choice that is halved counts until it is made."""
    tune = plan.study.study.tune
    waiting = [one for one in results.trials if one.state in ("waiting", "failed")]
    if tune is None or tune.halving is None:
        return Counter(one.key for one in waiting)
    choices = Counter((one.key, one.chooses) for one in waiting)
    seeds = 1 if tune.seeds is None else len(tune.seeds)
    found = Counter(key for key, _ in choices)
    return {key: ceil(count * seeds * whole_trainings(tune)) for key, count in found.items()}


def slots_of(engine: EnginePart) -> tuple[int, int]:
    """How many runs an engine does at once, and the threads that each has."""
    slots = engine.runs_at_once()
    return slots, max(1, cores() // slots)


@dataclass(frozen=True)
class _Spread:
    """What is known of the noise."""

    told: float | None
    """As `Forecast.spread`."""
    source: str
    difference: float | None
    """SD of a paired difference."""


def _spread(plan: Plan, results: Results) -> _Spread:
    """As found in runs that are done, by pairs where there are any, as the report does; else as the study assumes."""
    values = [results.values(one.name) for one in results.variants]
    base = results.values(results.baseline)
    paired = [
        [of[seed] - base[seed] for seed in of if seed in base]
        for one, of in zip(results.variants, values, strict=True)
        if one.name != results.baseline
    ]
    found = [variance(differences) for differences in paired if len(differences) > 1]
    if found:
        sd = mean(found) ** 0.5
        return _Spread(sd, "the spread of the paired differences found so far", sd)
    alone = [variance(of.values()) for of in values if len(of) > 1]
    # A difference of two independent runs spreads the root of two more than one of them.
    if alone:
        sd = mean(alone) ** 0.5
        return _Spread(sd, "the spread between seeds found so far", 2**0.5 * sd)
    assumed = plan.study.study.metric.spread
    return _Spread(
        assumed, "the spread between seeds that the study assumes", None if assumed is None else 2**0.5 * assumed
    )


def _tests(results: Results) -> int:
    from .analysis.family import family

    return family(results)


def _powers(plan: Plan, results: Results, tests: int) -> tuple[float | None, list[SettingPower]]:
    """What is detected: in SDs of the paired difference, the same everywhere, and at each setting."""
    from .analysis.family import spans_texts
    from .analysis.power import detectable_size, seeds_for_size

    seeds, study = len(plan.seeds), plan.study.study
    smallest, found, sds = study.metric.smallest_effect, list[SettingPower](), None
    alpha = (study.looks[-1].alpha if study.looks else study.alpha) / max(1, tests)
    # An effect of a fraction is a difference of means over half of its runs each, for every seed.
    narrower = (2 / len(plan.names)) ** 0.5 if results.design == "fractional" else 1.0
    shared = results.shared_choice
    if shared is not None and not spans_texts(results):
        narrower *= shared.widening(seeds)
    if seeds >= FEWEST_SEEDS and plan.contrasts:
        sds = detectable_size(seeds, alpha) * narrower
    for size, text in results.settings:
        spread = _spread(plan, results.at(size, text))
        sd = None if sds is None else spread.difference
        needed = seeds_for_size(smallest / (sd * narrower), alpha) if smallest and sd and shared is None else None
        detectable = None if sds is None or sd is None else sds * sd
        found.append(SettingPower(size, text, detectable, spread.told, spread.source, needed))
    return sds, found


__all__ = ["Forecast", "SettingPower", "forecast", "slots_of"]
