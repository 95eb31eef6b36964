"""Finds the best values of knobs for each variant: on seeds of its own, on the valid split, with as many trials."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from math import inf
from typing import Any

from partwise.recipe import Problem, RejectedError
from partwise.studies.definition.tuned import Combination, changes_of, trial_seeds, tried
from partwise.studies.definition.variants import changed
from partwise.studies.execution.jobs import Job, JobResult
from partwise.studies.knobs import short_names
from partwise.studies.results import Key, Metric, Trial
from partwise.wording import joined, many

from .costs import UNITS
from .halving import score, staying, updates_at
from .plan import Plan, PlannedVariant

Choice = tuple[Key, int | None]
"""What trials are rivals for: a variant, and the seed of the study whose run has the values; None: all runs have."""


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
    jobs: tuple[Job, ...]
    """One for each rung at which it is compared, and the last one to its end."""

    @property
    def job(self) -> Job:
        """That trains it to its end."""
        return self.jobs[-1]

    @property
    def choice(self) -> Choice:
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
        jobs = _up_to_rungs(job.model_copy(update={"title": title}), with_values, plan)
        yield PlannedTrial(with_values, values, seed, chooses, jobs)


def _up_to_rungs(job: Job, variant: PlannedVariant, plan: Plan) -> tuple[Job, ...]:
    """The job as it is or, with halving, in steps, in a directory that it shares with no run that never stops.

    Raises:
        RecipeError: its updates do not suit the rungs.
    """
    tune = plan.study.study.tune
    if tune is None or tune.halving is None:
        return (job,)
    planned = variant.loaded.recipe.trainer.planned_updates()
    rungs = None if planned is None else updates_at(tune.halving, planned)
    if rungs is None:
        shares = joined(f"{share:g}" for share in tune.halving.rungs)
        why = (
            "does not say how many updates it makes" if planned is None else f"makes {many(planned, 'update')}, too few"
        )
        message = f"the trainer {why}: trials cannot be compared after {shares} of them; leave halving out"
        raise RejectedError([Problem(message, plan.study.at(("tune", "halving")).mark)])
    own = sha256(f"{job.identity} {rungs}".encode()).hexdigest()[: len(job.identity)]
    job = job.model_copy(update={"identity": own})
    return *(job.model_copy(update={"until": one, "title": f"{job.title}, to {one:,}"}) for one in rungs), job


def going(
    planned: Sequence[PlannedTrial], found: Mapping[str, JobResult], goal: str, keep: float = 1.0
) -> Iterator[list[PlannedTrial]]:
    """The trials that are trained up to each rung in turn, and those to the end; each asked for after it is done.

    A choice of which a trial waits at a rung has none at the next.
    """
    still = list(planned)
    yield still
    for rung in range(max((len(one.jobs) for one in planned), default=1) - 1):
        still = [one for of in by_choice(still).values() for one in _better(of, found, goal, keep, rung)]
        yield still


def _better(
    rivals: Sequence[PlannedTrial], found: Mapping[str, JobResult], goal: str, keep: float, rung: int
) -> list[PlannedTrial]:
    came_to = [found.get(one.jobs[rung].key) for one in rivals]
    if None in came_to:
        return []
    offers = list(dict.fromkeys(id(one.variant) for one in rivals))
    scores = [
        score([result for one, result in zip(rivals, came_to, strict=True) if id(one.variant) == offer], goal)
        for offer in offers
    ]
    stay = {offers[place] for place in staying(scores, keep)}
    return [one for one in rivals if id(one.variant) in stay]


def by_choice(planned: Sequence[PlannedTrial]) -> dict[Choice, list[PlannedTrial]]:
    """The rivals of each choice."""
    found: dict[Choice, list[PlannedTrial]] = {}
    for one in planned:
        found.setdefault(one.choice, []).append(one)
    return found


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def recorded(plan: Plan, planned: Sequence[PlannedTrial], found: Mapping[str, JobResult]) -> list[Trial]:
    """The trials as the results record them, whether or not they are done."""
    stopped = stopped_at(plan, planned, found)
    return [
        Trial(
            variant=one.variant.name,
            size=one.variant.setting.size,
            text=one.variant.setting.text,
            values=_plain(one.values),
            seed=one.seed,
            chooses=one.chooses,
            **_came_to(one, found, stopped.get(id(one))),
        )
        for one in planned
    ]


def stopped_at(plan: Plan, planned: Sequence[PlannedTrial], found: Mapping[str, JobResult]) -> dict[int, int]:
    """id of a trial that did not go on -> the rung, from 0, at which its rivals left it behind."""
    last, furthest = dict[int, int](), dict[Choice, int]()
    for rung, still in enumerate(going(planned, found, *judged_by(plan))):
        last |= {id(one): rung for one in still}
        furthest |= {one.choice: rung for one in still}
    return {id(one): last[id(one)] for one in planned if last[id(one)] < furthest[one.choice]}


def judged_by(plan: Plan) -> tuple[str, float]:
    """The goal of the metric, and the share that goes on from each rung."""
    halving = None if plan.study.study.tune is None else plan.study.study.tune.halving
    return plan.study.study.metric.asked().goal, 1.0 if halving is None else halving.keep


def _came_to(one: PlannedTrial, found: Mapping[str, JobResult], stopped: int | None) -> dict[str, Any]:
    whole, end = one.variant.costs.training_flops, one.variant.loaded.recipe.trainer.planned_updates()
    at_rungs = [result for job in one.jobs[:-1] if (result := found.get(job.key)) is not None]
    rungs = [(int(result.until or 0), result.metric) for result in at_rungs if result.metric is not None]
    last = found.get(one.job.key) if stopped is None else None
    facts: dict[str, Any] = {"rungs": rungs, "training_flops": whole}
    if last is None and at_rungs and at_rungs[-1].state in ("diverged", "failed"):
        last = at_rungs[-1]
    if last is not None:
        return {**facts, "state": last.state, "metric": last.metric, "seconds": last.seconds}
    if stopped is None:
        return {**facts, "state": "waiting"}
    share = 1.0 if not end else (one.jobs[stopped].until or end) / end
    flops = None if whole is None else share * whole
    return {**facts, "state": "stopped", "seconds": at_rungs[-1].seconds, "training_flops": flops}


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def tuned(plan: Plan, planned: Sequence[PlannedTrial], found: Mapping[str, JobResult]) -> Plan:
    """The plan with each variant's best values, by the mean over the tuning seeds; a failure is the worst score.

    If several combinations are equally good, the first one wins. If all failed, the variant stays as it was.
    """
    goal = plan.study.study.metric.asked().goal
    best = {choice: _best(of, found, goal) for choice, of in by_choice(planned).items()}
    return replace(plan, variants=tuple(_chosen(variant, plan.seeds, best) for variant in plan.variants))


def _best(rivals: Sequence[PlannedTrial], found: Mapping[str, JobResult], goal: str) -> PlannedVariant | None:
    """None if all failed."""
    offers: dict[int, list[PlannedTrial]] = {}
    for one in rivals:
        offers.setdefault(id(one.variant), []).append(one)
    scores = {key: score([found.get(one.job.key) for one in of], goal) for key, of in offers.items()}
    best = min(scores, key=lambda key: scores[key])
    return None if scores[best] == inf else offers[best][0].variant


def _chosen(
    variant: PlannedVariant, seeds: Sequence[int], best: Mapping[Choice, PlannedVariant | None]
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


__all__ = [
    "Choice",
    "PlannedTrial",
    "by_choice",
    "going",
    "judged_by",
    "recorded",
    "stopped_at",
    "trials",
    "tuned",
]
