"""Finds the best value of a knob for each variant: on seeds of its own, on the valid split, with equal trials."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import mean
from typing import Any

from partwise.recipe import Node, Problem, RejectedError
from partwise.studies.definition.reading import override_at
from partwise.studies.definition.variants import changed
from partwise.studies.execution.jobs import Job, JobResult
from partwise.studies.results import Metric, Trial

from .plan import Plan, PlannedVariant


@dataclass(frozen=True)
class Planned:
    """One trial: a variant with a value of the knob and a tuning seed."""

    variant: PlannedVariant
    """With the value."""
    value: Any
    seed: int
    job: Job


def trials(plan: Plan) -> list[Planned]:
    """Every trial; as many for each variant, the base included; none if the study tunes nothing.

    Raises:
        RecipeError: the knob, or a value of it, does not fit a variant; all of them at once.
    """
    tune = plan.study.study.tune
    if tune is None:
        return []
    # What is compared is judged on other texts where the study says so; what is chosen, on the valid split.
    metric = plan.study.study.metric.asked().model_copy(update={"split": "valid"})
    found, problems = list[Planned](), list[Problem]()
    for variant in plan.variants:
        for node in _values(plan):
            try:
                found += _tried(plan, variant, node, metric)
            except RejectedError as error:
                problems += error.problems
    if problems:
        raise RejectedError(list({(one.message, one.mark): one for one in problems}.values()))
    return found


def _values(plan: Plan) -> Sequence[Node]:
    values = plan.study.at(("tune", "values")).value
    assert isinstance(values, tuple), "an array, by the type of `tune.values`"
    return values


def _tried(plan: Plan, variant: PlannedVariant, node: Node, metric: Metric) -> Iterator[Planned]:
    tune = plan.study.study.tune
    assert tune is not None, "only then are there trials"
    loaded = changed(variant.loaded, [override_at(plan.study.at(("tune", "at")), node)])
    value = node.plain()
    costs = plan.ledger.costs(loaded)
    matching = plan.study.study.match
    if matching is not None:
        got, wanted = costs.of(matching.quantity), plan.base.costs.of(matching.quantity)
        if abs(got - wanted) > matching.tolerance * wanted:
            message = (
                f"tuning must leave the {matching.quantity} as they were matched, and {_shown(value)} makes them "
                f"{got:,.0f} instead of {wanted:,.0f}; tune a knob that they do not hang on"
            )
            raise RejectedError([Problem(message, node.mark)])
    tried = replace(variant, loaded=loaded, costs=costs, tuned={tune.at: value})
    for seed in tune.seeds:
        job = tried.job(seed, plan.study, metric)
        title = f"tuning {variant.name}, {tune.at.rpartition('.')[2]} {_shown(value)}, seed {seed}"
        yield Planned(tried, value, seed, job.model_copy(update={"title": title}))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def recorded(planned: Sequence[Planned], found: Mapping[str, JobResult]) -> list[Trial]:
    """The trials as the results have them, whether or not they are done."""
    return [
        Trial(
            variant=one.variant.name,
            value=_plain(one.value),
            seed=one.seed,
            state=found[one.job.identity].state if one.job.identity in found else "waiting",
            metric=found[one.job.identity].metric if one.job.identity in found else None,
        )
        for one in planned
    ]


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def tuned(plan: Plan, planned: Sequence[Planned], found: Mapping[str, JobResult]) -> Plan:
    """The plan with each variant's best value: by the mean over the tuning seeds, a value that failed being the worst.

    Of values that are equally good the first wins; where all failed, the variant stays as it was.
    """
    goal = plan.study.study.metric.asked().goal
    chosen = []
    for variant in plan.variants:
        scores: dict[int, list[float]] = {}
        offers: dict[int, PlannedVariant] = {}
        for one in planned:
            if one.variant.name == variant.name:
                offers[id(one.variant)] = one.variant
                scores.setdefault(id(one.variant), []).append(_score(found.get(one.job.identity), goal))
        best = min(scores, key=lambda key: mean(scores[key]), default=None)
        hopeless = best is None or mean(scores[best]) == inf
        chosen.append(variant if hopeless or best is None else offers[best])
    return replace(plan, variants=tuple(chosen))


def _score(result: JobResult | None, goal: str) -> float:
    """The lower, the better."""
    if result is None or result.state != "done" or result.metric is None:
        return inf
    return result.metric if goal == "min" else -result.metric


__all__ = ["Planned", "recorded", "trials", "tuned"]
