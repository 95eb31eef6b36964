"""From a file or a name to a study and its base recipe, or to one screen that says everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from partwise.parts.part import Path
from partwise.recipe import LoadedRecipe, Node, Problem, RejectedError, find, read, validate
from partwise.recipe.files import STANDARD_INPUT, read_standard_input
from partwise.recipe.load import extended, from_object, validated
from partwise.recipe.reader.source import marked
from partwise.recipe.recipe import VERSION

from .evaluated import with_goals, wrong_figures
from .locate import find_study, is_study
from .rules import broken_rules
from .study import Study


@dataclass(frozen=True)
class LoadedStudy:
    """A valid study, its base recipe, and what stands where in its file."""

    study: Study
    node: Node
    path: FilePath | None
    """The file; None for a study made in Python."""
    base: LoadedRecipe

    def at(self, path: Path) -> Node:
        """What is written at a path of the study, or the nearest that is written above it."""
        return self.node.reach(path)[0]


def load_study(source: str | FilePath | Mapping[str, Any]) -> LoadedStudy:
    """Loads a study from a file, by its name (`positions`), or from an object.

    Raises:
        RecipeError: everything that is wrong with it.
    """
    if isinstance(source, Mapping):
        path, node = None, from_object(source, "<study>")
    elif source == STANDARD_INPUT:
        path, node = None, read_standard_input()
    else:
        path = find_study(source)
        node = read(path)
    if not isinstance(node.value, dict):
        raise RejectedError([Problem('a study is an object: {"partwise": 1, "name": ..., "base": ...}', node.mark)])
    if not is_study(node) and {"model", "extends"} & set(node.members):
        raise RejectedError([Problem("this is a recipe; a study names one as its base, and factors", node.mark)])
    node = replace(node, value={key: child for key, child in node.members.items() if key != "$schema"})
    study = validate(Study, node)
    problems = list(broken_rules(study, node))
    base = None
    try:
        base = _base(node, path)
    except RejectedError as error:
        problems = [*problems, *error.problems]
    if base is not None:
        problems += wrong_figures(study, node, base.recipe)
    if problems or base is None:
        raise RejectedError(problems)
    return LoadedStudy(with_goals(study, base.recipe), node, path, base)


def _base(node: Node, path: FilePath | None) -> LoadedRecipe:
    """The recipe that is varied.

    Raises:
        RecipeError: it does not exist, or is not valid.
    """
    written = node.members["base"]
    directory = FilePath.cwd() if path is None else path.absolute().parent
    if isinstance(written.value, str):
        found = find(written.value, directory, written.mark)
        inner = read(found, written.mark)
        if is_study(inner):
            raise RejectedError([Problem("this is a study, and a study varies a recipe", written.mark, ("base",))])
        directory = found.absolute().parent
        return validated(extended(inner, found, directory), found, directory)
    # A recipe written here takes the name of the study unless it has one itself, or extends a recipe that has one.
    named = {"partwise": marked(VERSION, written.mark), "name": node.members["name"]}
    if "extends" not in written.members:
        written = replace(written, value={**named, **written.members})
    return validated(extended(written, path, directory), path, directory)


__all__ = ["LoadedStudy", "load_study"]
