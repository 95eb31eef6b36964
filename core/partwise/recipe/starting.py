"""The run that a recipe starts from: where it is, and what the recipe leaves to it.

Of tokenizer, model and objective a recipe with a start writes what it changes. Left out, they are those of the start;
an object without "use" is merged onto the start's, as onto a recipe that is extended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from partwise.errors import InputError, PartwiseError
from partwise.parts.shapes import shape_of
from partwise.runs.layout import RECIPE
from partwise.runs.run import Run
from partwise.runs.taking import weights_to_take

from .merge import merge
from .reader.problems import Problem, RejectedError, cut
from .reader.source import Mark, Node, marked
from .recipe import Recipe
from .suggestions import did_you_mean

START = "start"
LEFT = ("tokenizer", "model", "objective")
"""What a recipe may leave to its start."""


def with_parts_of_start(node: Node, directory: Path, shape: type[BaseModel]) -> Node:
    """A recipe with what it leaves to its start written out; unchanged if it has no start, or leaves it nothing.

    Args:
        directory: that the start's name is relative to, unless the file that it is written in has its own.

    Raises:
        RecipeError: there is no such run.
    """
    start = node.members.get(START)
    named = start.members.get("run") if start is not None else None
    left = [key for key in LEFT if key not in node.members or _changes(node.members[key])]
    if named is None or not isinstance(named.value, str) or not named.value or not left:
        return node  # what is wrong with a start, validation says
    with _told_at(named.mark):
        recipe = Run.open(find_run(named.value, named.mark.directory or directory)).recipe
    members = dict(node.members)
    for key in (key for key in left if key in recipe):
        base, patch = marked(recipe[key], named.mark), members.get(key)
        members[key] = base if patch is None else merge(base, patch, shape_of(shape.model_fields[key]))
    return replace(node, value=members)


def _changes(node: Node) -> bool:
    return isinstance(node.value, dict) and "use" not in node.value


def pinned(recipe: Recipe, node: Node, directory: Path) -> Recipe:
    """The recipe with the hash of the weights that it starts from, which is part of its identity.

    Where a recipe has the hash written, the run is not looked for before it is needed.

    Raises:
        RecipeError: there is no such run, or it has no such weights.
    """
    start = recipe.start
    if start is None or start.sha256 is not None:
        return recipe
    mark = node.reach((START, "run"))[0].mark
    with _told_at(mark):
        taken = weights_to_take(find_run(start.run, mark.directory or directory), start.weights)
    return recipe.model_copy(update={START: start.model_copy(update={"sha256": taken.sha256})})


@contextmanager
def _told_at(mark: Mark) -> Iterator[None]:
    try:
        yield
    except PartwiseError as error:
        raise RejectedError([Problem(str(error), mark, (START, "run"))]) from error


def find_run(name: str, directory: Path) -> Path:
    """The directory of the run `name`, relative to `directory` or to the current one.

    Raises:
        InputError: it is in neither.
    """
    with suppress(OSError, ValueError):  # a name too long, or with a zero byte
        for place in (directory / name, Path.cwd() / name):
            if (place / RECIPE).is_file():
                return place
    known = sorted(f"{name[: len(name) - len(Path(name).name)]}{one}" for one in _beside(directory / name))
    raise InputError(
        f"{cut(name)} holds no run: there is no {RECIPE} in it{did_you_mean(name, known)}\n"
        "if it has moved, say where it is now: --start DIR"
    )


def _beside(place: Path) -> list[str]:
    with suppress(OSError, ValueError):
        return [one for one in os.listdir(place.parent) if (place.parent / one / RECIPE).is_file()]
    return []


__all__ = ["LEFT", "START", "find_run", "pinned", "with_parts_of_start"]
