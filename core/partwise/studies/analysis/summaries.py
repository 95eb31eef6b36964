"""What each variant did by itself, and what tuning found for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean, stdev

from partwise.studies.results import Results, Trial, Variant

from .findings import Summary, Tuning


def summaries(results: Results) -> tuple[Summary, ...]:
    """All variants in order, over all runs so far, those beyond a look included."""
    return tuple(_summary(results, variant) for variant in results.variants)


def _summary(results: Results, one: Variant) -> Summary:
    variant = one.name
    states = {outcome.seed: outcome.state for outcome in results.of(variant)}
    count = {state: sum(s == state for s in states.values()) for state in ("done", "diverged", "failed")}
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
    )


def tuning(results: Results) -> tuple[Tuning, ...]:
    """The trials by variant and value, for a curve of the metric over the knob."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in results.trials:
        groups.setdefault((trial.variant, repr(trial.value)), []).append(trial)
    chosen = {v.name: v.tuned.get(results.tuned_knob or "") for v in results.variants}
    return tuple(_tuning(trials, chosen.get(variant)) for (variant, _), trials in groups.items())


def _tuning(trials: Sequence[Trial], chosen: object) -> Tuning:
    values = [t.metric for t in trials if t.state == "done" and t.metric is not None]
    value = trials[0].value
    return Tuning(
        variant=trials[0].variant,
        value=value,
        trials=len(trials),
        done=len(values),
        mean=_mean(values),
        sd=_sd(values),
        chosen=chosen is not None and chosen == value,
        size=trials[0].size,
        text=trials[0].text,
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


__all__ = ["summaries", "tuning", "unequal_trials"]
