"""A recipe against itself: the same recipe with several seeds, as a study that varies nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from partwise.errors import InputError
from partwise.recipe import LoadedRecipe, RejectedError, validate
from partwise.recipe.load import from_object

from .definition.evaluated import with_goals, wrong_figures
from .definition.reading import LoadedStudy
from .definition.study import Study
from .planning.plan import Plan, make_plan
from .validity import FEWEST_SEEDS


def noise_study(loaded: LoadedRecipe, metric: Mapping[str, Any]) -> LoadedStudy:
    """The study of a recipe by itself, which is called NAME-noise.

    Raises:
        RecipeError: there is no such metric.
    """
    asked = {name: value for name, value in metric.items() if value is not None}
    facts = {"partwise": 1, "name": f"{loaded.recipe.name}-noise", "base": loaded.recipe.resolved(), "metric": asked}
    node = from_object(facts, "<noise>")
    study = validate(Study, node)
    if study.metric.of_evaluation is not None:
        problems = list(wrong_figures(study, node, loaded.recipe))
        if problems:
            raise RejectedError(problems)
    return LoadedStudy(with_goals(study, loaded.recipe), node, None, loaded)


def noise_plan(study: LoadedStudy, seeds: int, slots: int | None = None, say: Callable[[str], None] = print) -> Plan:
    """What it takes.

    Raises:
        InputError: there are too few seeds to tell a spread, or it cannot be measured.
    """
    if seeds < FEWEST_SEEDS:
        raise InputError(
            f"{seeds} seeds tell nothing of their spread; it takes at least {FEWEST_SEEDS}, better 5 or 10"
        )
    plan = make_plan(study, seeds, say)
    return plan if slots is None else replace(plan, engine=plan.engine.model_copy(update={"slots": slots}))


__all__ = ["noise_plan", "noise_study"]
