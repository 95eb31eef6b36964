"""Studies that compare a figure of one of the base recipe's evaluations: `"metric": {"name": "cloze.accuracy"}`."""

from __future__ import annotations

from collections.abc import Iterator

from partwise.recipe import Node, Problem, Recipe
from partwise.recipe.suggestions import did_you_mean

from .study import OF_A_SPLIT, Study


def wrong_figures(study: Study, node: Node, recipe: Recipe) -> Iterator[Problem]:
    """What is wrong with a metric that is a figure of an evaluation."""
    metric, evaluations = study.metric, recipe.evaluations
    name, _, figure = metric.name.partition(".")
    place = ("metric", "name")
    known = [f"{one}.{key}" for one, part in evaluations.items() for key in part.figures()]
    if metric.name not in known:
        has = f"; there are {', '.join([*OF_A_SPLIT, *known])}"
        what = f"the base recipe has no evaluation {name!r}" if name not in evaluations else f"{name} has no {figure!r}"
        yield Problem(f"{what}{did_you_mean(metric.name, known)}{has}", node.reach(place)[0].head, place)
    for knob in ("split", "context", "batches", "member"):
        if knob in metric.model_fields_set:
            told = (
                f"{metric.name} is measured on what the evaluation {name!r} reads, so that {knob} has no meaning here"
            )
            yield Problem(told, node.reach(("metric", knob))[0].head, ("metric", knob))


def with_goal(study: Study, recipe: Recipe) -> Study:
    """The study, with the goal that its evaluation declares, unless it has one itself."""
    metric = study.metric
    if metric.of_evaluation is None or metric.goal is not None:
        return study
    goal = recipe.evaluations[metric.of_evaluation].figures()[metric.name.partition(".")[2]]
    return study.model_copy(update={"metric": metric.model_copy(update={"goal": goal})})


__all__ = ["with_goal", "wrong_figures"]
