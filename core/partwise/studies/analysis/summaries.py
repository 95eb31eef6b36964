"""What each variant did by itself, and what tuning found for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import mean, stdev

from partwise.studies.results import Outcome, Results, Trial, Variant

from .findings import Summary, Tuning, TuningCost

Place = tuple[str, str | None, str | None]
"""A variant, and the size and text at which it is."""


def summaries(results: Results) -> tuple[Summary, ...]:
    """All variants in order, over all runs so far, those beyond a look included."""
    return tuple(_summary(results, variant) for variant in results.variants)


def _summary(results: Results, one: Variant) -> Summary:
    variant = one.name
    states = {outcome.seed: outcome.state for outcome in results.of(variant)}
    count = {state: sum(s == state for s in states.values()) for state in ("done", "diverged", "failed")}
    never = sum(one.state == "done" and one.metric is None for one in results.of(variant))
    values = list(results.values(variant).values())
    planned = len(set(results.seeds) | set(states))
    return Summary(
        variant=variant,
        planned=planned,
        done=count["done"],
        diverged=count["diverged"],
        failed=count["failed"],
        waiting=planned - sum(count.values()),
        mean=_mean(values),
        sd=_sd(values),
        size=one.size,
        text=one.text,
        never=never,
        choices=_choices(results, one),
    )


def _choices(results: Results, variant: Variant) -> tuple[int, int] | None:
    own = [run.tuned for run in results.of(variant.name) if run.tuned]
    return (sum(one == variant.tuned for one in own), len(own)) if own else None


def tuning(results: Results) -> tuple[Tuning, ...]:
    """The trials by variant and combination, for curves of the metric over the knobs."""
    groups: dict[tuple[Place, str], list[Trial]] = {}
    for trial in results.trials:
        groups.setdefault((_place(trial), repr(trial.values)), []).append(trial)
    chosen = {
        _place(v): {knob: of for knob, of in v.tuned.items() if knob in results.tuned_knobs} for v in results.variants
    }
    own: Counter[tuple[Place, str]] = Counter((_place(run), repr(run.tuned)) for run in results.outcomes if run.tuned)
    return tuple(_tuning(trials, chosen.get(key[0]), own[key]) for key, trials in groups.items())


def _place(of: Trial | Outcome | Variant) -> Place:
    return (of.name if isinstance(of, Variant) else of.variant, of.size, of.text)


def _tuning(trials: Sequence[Trial], chosen: object, times: int) -> Tuning:
    metrics = [t.metric for t in trials if t.state == "done" and t.metric is not None]
    values = trials[0].values
    return Tuning(
        variant=trials[0].variant,
        values=values,
        trials=len(trials),
        done=len(metrics),
        mean=_mean(metrics),
        sd=_sd(metrics),
        chosen=bool(chosen) and chosen == values,
        size=trials[0].size,
        text=trials[0].text,
        times=times,
        stopped=stopped(trials),
    )


def stopped(trials: Iterable[Trial]) -> dict[int, int]:
    """Updates of a rung -> trials that were behind their rivals there."""
    return dict(sorted(Counter(t.rungs[-1][0] for t in trials if t.state == "stopped" and t.rungs).items()))


def tuning_cost(results: Results) -> TuningCost | None:
    """None if nothing was tuned, or nothing is known of what it took."""
    ended = [one for one in results.trials if one.state != "waiting"]
    if not ended:
        return None
    flops = [one.training_flops for one in ended if one.training_flops is not None]
    seconds = [one.seconds for one in ended if one.seconds is not None]
    if not seconds and not flops:
        return None
    compared = [one.seconds for one in results.outcomes if one.seconds is not None]
    return TuningCost(
        trials=len(ended),
        seconds=sum(seconds) if seconds else None,
        timed=len(seconds),
        training_flops=sum(flops) if len(flops) == len(ended) else None,
        compared_seconds=sum(compared) if compared else None,
    )


def unequal_trials(rows: Iterable[Tuning]) -> dict[str, int]:
    """Variant -> number of its trials, if that differs between variants; empty otherwise."""
    trials: dict[str, int] = {}
    for row in rows:
        trials[row.variant] = trials.get(row.variant, 0) + row.trials
    return trials if len(set(trials.values())) > 1 else {}


def _mean(values: Sequence[float]) -> float | None:
    return mean(values) if values else None


def _sd(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None


__all__ = ["stopped", "summaries", "tuning", "tuning_cost", "unequal_trials"]
