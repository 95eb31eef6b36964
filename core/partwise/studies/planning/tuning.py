"""Finds the best values of knobs for each variant: on seeds of its own, on the valid split, with as many trials."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import mean
from typing import Any

from partwise.recipe import Problem, RejectedError
from partwise.studies.definition.tuned import Combination, changes_of, trial_seeds, tried
from partwise.studies.definition.variants import changed
from partwise.studies.execution.jobs import Job, JobResult
from partwise.studies.knobs import short_names
from partwise.studies.results import Key, Metric, Trial

from .costs import UNITS
from .plan import Plan, PlannedVariant


@dataclass(frozen=True)
class PlannedTrial:
    """One trial: a variant with values of the knobs and a tuning seed."""

    variant: PlannedVariant
    """With the values."""
    values: Mapping[str, Any]
    """Knob path -> value."""
    seed: int
    chooses: int | None
    """The seed of the study that its values are chosen for; None: they are for all."""
    job: Job

    @property
    def choice(self) -> tuple[Key, int | None]:
        """What it is tried for; trials with the same are rivals."""
        return self.variant.key, self.chooses


def trials(plan: Plan) -> list[PlannedTrial]:
    """Every trial, equally many for each variant, the base included; none if the study tunes nothing.

    Raises:
        RecipeError: a knob, or values of it, do not fit a variant; says all of it at once.
    """
    tune = plan.study.study.tune
    if tune is None:
        return []
    # The study may compare its variants on another split; values are always chosen on the valid split.
    metric = plan.study.study.metric.asked().model_copy(update={"split": "valid"})
    found, problems = list[PlannedTrial](), list[Problem]()
    combinations = tried(plan.study)
    for variant in plan.variants:
        for combination in combinations:
            try:
                found += _trials(plan, variant, combination, metric)
            except RejectedError as error:
                problems += error.problems
    if problems:
        raise RejectedError(list({(one.message, one.mark): one for one in problems}.values()))
    return found


def _trials(plan: Plan, variant: PlannedVariant, combination: Combination, metric: Metric) -> Iterator[PlannedTrial]:
    tune = plan.study.study.tune
    assert tune is not None, "only then are there trials"
    loaded = changed(variant.loaded, changes_of(plan.study, combination))
    values = {path: node.plain() for path, node in combination.items()}
    names = short_names(values)
    told = ", ".join(f"{names[path]} {_shown(value)}" for path, value in values.items())
    matching = plan.study.study.match
    if matching is not None:
        # A value that leaves the tokens as they were leaves the time as it was; timing each would only add noise.
        quantity = "tokens" if matching.quantity == "seconds" else matching.quantity
        beside = variant.loaded if matching.quantity == "seconds" else plan.base_of(variant).loaded
        got, wanted = (plan.ledger.quantity(one, quantity) for one in (loaded, beside))
        if got is None or wanted is None or abs(got - wanted) > matching.tolerance * wanted:
            made = "impossible to count" if got is None else f"{got:,.0f}"
            what = told if len(values) > 1 else _shown(*values.values())
            message = (
                f"tuning must leave the {UNITS[quantity]} as they were matched, and {what} makes them "
                f"{made} instead of {wanted or 0:,.0f}; tune a knob that they do not depend on"
            )
            raise RejectedError([Problem(message, next(iter(combination.values())).mark)])
    with_values = replace(variant, loaded=loaded, tuned=values)
    for seed, chooses in trial_seeds(tune, plan.seeds):
        job = with_values.job(seed, plan.study, metric)
        title = f"tuning {variant.title}, {told}, seed {seed}"
        yield PlannedTrial(with_values, values, seed, chooses, job.model_copy(update={"title": title}))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def recorded(planned: Sequence[PlannedTrial], found: Mapping[str, JobResult]) -> list[Trial]:
    """The trials as the results record them, whether or not they are done."""
    return [
        Trial(
            variant=one.variant.name,
            size=one.variant.setting.size,
            text=one.variant.setting.text,
            values=_plain(one.values),
            seed=one.seed,
            chooses=one.chooses,
            training_flops=one.variant.costs.training_flops,
            **_came_to(found.get(one.job.identity)),
        )
        for one in planned
    ]


def _came_to(result: JobResult | None) -> dict[str, Any]:
    if result is None:
        return {"state": "waiting"}
    return {"state": result.state, "metric": result.metric, "seconds": result.seconds}


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def tuned(plan: Plan, planned: Sequence[PlannedTrial], found: Mapping[str, JobResult]) -> Plan:
    """The plan with each variant's best values, by the mean over the tuning seeds; a failure is the worst score.

    If several combinations are equally good, the first one wins. If all failed, the variant stays as it was.
    """
    rivals: dict[tuple[Key, int | None], list[PlannedTrial]] = {}
    for one in planned:
        rivals.setdefault(one.choice, []).append(one)
    goal = plan.study.study.metric.asked().goal
    best = {choice: _best(of, found, goal) for choice, of in rivals.items()}
    return replace(plan, variants=tuple(_chosen(variant, plan.seeds, best) for variant in plan.variants))


def _best(rivals: Sequence[PlannedTrial], found: Mapping[str, JobResult], goal: str) -> PlannedVariant | None:
    """None if all failed."""
    scores: dict[int, list[float]] = {}
    offers: dict[int, PlannedVariant] = {}
    for one in rivals:
        offers[id(one.variant)] = one.variant
        scores.setdefault(id(one.variant), []).append(_score(found.get(one.job.identity), goal))
    best = min(scores, key=lambda key: mean(scores[key]))
    return None if mean(scores[best]) == inf else offers[best]


def _chosen(
    variant: PlannedVariant, seeds: Sequence[int], best: Mapping[tuple[Key, int | None], PlannedVariant | None]
) -> PlannedVariant:
    """The variant with one choice for all seeds, or with each seed's own; it then looks like the most frequent one."""
    for_all = best.get((variant.key, None))
    if for_all is not None:
        return for_all
    own = {seed: best[variant.key, seed] or variant for seed in seeds if (variant.key, seed) in best}
    times = Counter(id(one) for one in own.values() if one is not variant)
    if not times:
        return variant
    return replace(max(own.values(), key=lambda one: times[id(one)]), by_seed=own)


def _score(result: JobResult | None, goal: str) -> float:
    """How good a trial is; the lower, the better."""
    if result is None or result.state != "done" or result.metric is None:
        return inf
    return result.metric if goal == "min" else -result.metric


__all__ = ["PlannedTrial", "recorded", "trials", "tuned"]
