"""The changes to a recipe that a study writes down: a value at a place, or a patch of the whole recipe."""

from __future__ import annotations

from partwise.recipe import Node, Problem, RejectedError
from partwise.recipe.overrides import Override
from partwise.recipe.paths import parse_path
from partwise.recipe.reader.source import Mark
from partwise.recipe.suggestions import did_you_mean
from partwise.runs.identity import TRAINED


def override_at(place: Node, value: Node) -> Override:
    """The change that puts `value` at the path in the string `place`. Each segment is marked in the study.

    Raises:
        RecipeError: it is not a path, or leads to something that does not affect training.
    """
    path, marks = parse_path(str(place.value), place.mark, "model.blocks.*.norm")
    if path[0] not in TRAINED:
        raise RejectedError([_not_trained(path[0], marks[0])])
    return Override(path, marks, value)


def patch_of(value: Node, also: tuple[str, ...] = ()) -> Override:
    """The change that merges an object into the recipe as a whole: an override with an empty path.

    Args:
        also: what it may change besides what is trained.

    Raises:
        RecipeError: it is not an object, or changes something that does not affect training.
    """
    if not isinstance(value.value, dict):
        message = 'without "at", a value is a patch of the recipe: {"model": {...}}'
        raise RejectedError([Problem(message, value.mark)])
    problems = [
        _not_trained(key, child.key or child.mark)
        for key, child in value.members.items()
        if key not in (*TRAINED, *also)
    ]
    if problems:
        raise RejectedError(problems)
    return Override((), (), value)


def _not_trained(key: str, mark: Mark) -> Problem:
    known = f"a study varies {', '.join(TRAINED[:-1])} and {TRAINED[-1]}"
    why = "; seeds are the study's own" if key == "seed" else ""
    return Problem(f"{key!r} is nothing that a study varies{why}; {known}{did_you_mean(key, TRAINED)}", mark)


__all__ = ["override_at", "patch_of"]
