"""Studies that compare a figure of one of the base recipe's evaluations: `"metric": {"name": "cloze.accuracy"}`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from partwise.recipe import Node, Problem, Recipe
from partwise.recipe.suggestions import did_you_mean

from .study import OF_A_SPLIT, MetricChoice, Study


def wrong_figures(study: Study, node: Node, recipe: Recipe) -> Iterator[Problem]:
    """What is wrong with the metrics that are figures of evaluations."""
    for place, metric in study.metrics.items():
        if metric.of_evaluation is None:
            continue
        known = _figures(recipe)
        name, _, figure = metric.name.partition(".")
        if metric.name not in known:
            has = f"; there are {', '.join([*OF_A_SPLIT, *known])}"
            missing = name not in recipe.evaluations
            what = f"the base recipe has no evaluation {name!r}" if missing else f"{name} has no {figure!r}"
            told = f"{what}{did_you_mean(metric.name, known)}{has}"
            yield Problem(told, node.reach((*place, "name"))[0].head, (*place, "name"))
        for knob in ("split", "context", "batches", "member"):
            if knob in metric.model_fields_set:
                reads = f"is measured on what the evaluation {name!r} reads"
                told = f"{metric.name} {reads}, so that {knob} has no meaning here"
                yield Problem(told, node.reach((*place, knob))[0].head, (*place, knob))


def lost_figures(study: Study, recipe: Recipe) -> Iterator[str]:
    """Metrics that the base recipe's evaluations give, and those of `recipe`, which has another text, do not."""
    known = _figures(recipe)
    for metric in study.metrics.values():
        if metric.of_evaluation is None:
            continue
        if metric.of_evaluation not in recipe.evaluations:
            yield f"with this text there is no evaluation {metric.of_evaluation!r}; the study compares {metric.name}"
        elif metric.name not in known:
            has = f"; it gives {', '.join(recipe.evaluations[metric.of_evaluation].figures())}"
            yield f"the evaluation {metric.of_evaluation!r} gives no {metric.name} with this text{has}"
        elif metric.goal not in (None, known[metric.name]):
            less, more = ("less", "more") if metric.goal == "min" else ("more", "less")
            yield f"of {metric.name} {more} is better with this text, and {less} in the study"


def _figures(recipe: Recipe) -> dict[str, Literal["min", "max"]]:
    """Name -> goal of all that its evaluations give."""
    return {f"{name}.{key}": goal for name, part in recipe.evaluations.items() for key, goal in part.figures().items()}


def with_goals(study: Study, recipe: Recipe) -> Study:
    """The study with the goals that its evaluations declare, for metrics that say none themselves."""
    goals = _figures(recipe)

    def given(metric: MetricChoice) -> MetricChoice:
        if metric.of_evaluation is None or metric.goal is not None:
            return metric
        return metric.model_copy(update={"goal": goals[metric.name]})

    secondary = {name: given(metric) for name, metric in study.secondary.items()}
    return study.model_copy(update={"metric": given(study.metric), "secondary": secondary})


__all__ = ["lost_figures", "with_goals", "wrong_figures"]
