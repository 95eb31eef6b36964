"""Loads a recipe from a file, a name or an object; an error shows everything that is wrong, on one screen."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel

from partwise.errors import BuildError, InputError, PartError, RecipeError
from partwise.parts.part import Path
from partwise.parts.shapes import Shape, bare_of, members

from .files import STANDARD_INPUT, displayed, find, read, read_standard_input
from .merge import merge
from .overrides import override_all
from .paths import shape_below
from .reader.parser import parse
from .reader.problems import Problem, RejectedError
from .reader.source import Mark, Node, Source
from .recipe import Recipe
from .starting import START, find_run, pinned, with_parts_of_start
from .validation import validate

OBJECT = "<recipe>"
"""What messages call a recipe that is in no file."""


@dataclass(frozen=True, repr=False)
class LoadedRecipe:
    """A valid recipe, and where everything in it is written."""

    recipe: Recipe
    node: Node
    """What files and options say, without the defaults."""
    path: FilePath | None
    """The file; None for a recipe made in Python."""
    directory: FilePath
    """The directory that names of data files are relative to."""
    overrides: tuple[str, ...] = ()
    """The changes that were made to the recipe in the file."""
    data_directory: FilePath | None = None
    """The directory that names of data files are relative to now, if the files have moved since they were written."""
    judges: Mapping[str, FilePath] = field(default_factory=dict)
    """The directories that names of files of evaluations are relative to, where the recipe is a copy made elsewhere."""

    def __repr__(self) -> str:
        recipe = self.recipe
        parts = ", ".join(part.name for part in (recipe.tokenizer, recipe.model, recipe.trainer))
        return f"<recipe {recipe.name}-{recipe.fingerprint()}: {parts}>"

    def with_data_in(self, directory: FilePath | None) -> LoadedRecipe:
        """The same recipe, whose names of data files are relative to `directory`; None leaves them as they are.

        Raises:
            InputError: there is no such directory.
        """
        if directory is None:
            return self
        if not directory.is_dir():
            what = (
                "is a file, and names of data files are relative to a directory" if directory.exists() else "not found"
            )
            raise InputError(f"data directory {directory}: {what}")
        return replace(self, data_directory=directory.absolute())

    def directory_of(self, *path: str) -> FilePath:
        """The directory that file names at a place of the recipe ("data", say) are relative to: that of the file
        in which they are written, which may be one that the recipe extends; for an option, the current directory.

        Raises:
            RecipeError: they are written in several directories.
        """
        if path == ("data",) and self.data_directory is not None:
            return self.data_directory
        if path[0] == "evaluations" and path[-1] in self.judges:
            return self.judges[path[-1]]
        node, unwritten = self.node.reach(path)
        marks = [] if unwritten else list(_strings(node, self._shape_at(path)))
        places = {mark.directory or self.directory for mark in marks}
        if len(places) > 1:
            told = ", ".join(sorted(map(displayed, places)))
            raise RejectedError(
                [
                    Problem(
                        f"these file names would be relative to several directories ({told}); write them in one file",
                        marks[-1],
                        path,
                    )
                ]
            )
        return places.pop() if places else self.directory

    def _shape_at(self, path: tuple[str, ...]) -> Shape:
        """The type of a place; None if it is not known."""
        shape: Shape = Recipe
        for depth, key in enumerate(path):
            shape = shape_below(shape, self.node.reach(path[:depth])[0], key)
        return shape

    def start_directory(self) -> FilePath:
        """The run that the recipe starts from.

        Raises:
            InputError: it is not where the recipe says.
        """
        assert self.recipe.start is not None, "it has a start"
        return find_run(self.recipe.start.run, self.directory_of(START, "run"))


def load(source: str | FilePath | Mapping[str, Any], overrides: Sequence[str] = (), name: str = OBJECT) -> LoadedRecipe:
    """The recipe in a file, of a name, in an object, or in standard input ("-"), with the changes `overrides`
    ("model.width=256").

    Args:
        name: what messages call an object.

    Raises:
        RecipeError: everything that is wrong with it.
    """
    if isinstance(source, Mapping):
        path, node = None, from_object(source, name)
    elif source == STANDARD_INPUT:
        path, node = None, read_standard_input()
    else:
        path = find(source)
        node = read(path)
    directory = FilePath.cwd() if path is None else path.absolute().parent
    whole = extended(node, path, directory)
    first = [option for option in overrides if re.match(r"start\b", option)]  # it says what others may change
    whole = with_parts_of_start(override_all(whole, first, Recipe), directory, Recipe)
    others = [option for option in overrides if option not in first]
    return validated(override_all(whole, others, Recipe), path, directory, overrides)


def validated(node: Node, path: FilePath | None, directory: FilePath, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """The recipe in a node that no longer extends anything.

    Raises:
        RecipeError: everything that is wrong with it.
    """
    try:
        node = with_parts_of_start(node, directory, Recipe)
        recipe = pinned(validate(Recipe, node), node, directory)
    except RejectedError as error:
        raise RejectedError([_with_origin(problem, path) for problem in error.problems]) from None
    except PartError as error:  # raised by a part's own check, where it should have been a ValueError
        raise RejectedError([Problem(error.message, node.reach(error.path or ())[0].mark, error.path or ())]) from error
    return LoadedRecipe(recipe, node, path, directory, tuple(overrides))


def from_object(value: Mapping[str, Any], name: str = OBJECT) -> Node:
    """An object made in Python, written as JSON and read again, so that one reader checks both."""
    try:
        text = json.dumps(dict(value), indent=0, ensure_ascii=False, default=as_json)
    except (TypeError, ValueError, RecursionError) as error:
        raise RejectedError([Problem(f"this object cannot be written as JSON: {error}")]) from error
    return parse(Source(name, text, numbered=False))


def as_json(value: Any) -> Any:
    """A part, a recipe or a mapping as the JSON values that `json.dumps` asks for."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def extended(node: Node, path: FilePath | None, directory: FilePath) -> Node:
    """`node` merged onto the recipes that it extends, one after the other.

    Raises:
        RecipeError: a recipe that is extended is missing, is not a recipe, or extends itself.
    """
    layers, chain = [_layer(node)], [] if path is None else [path]
    while "extends" in node.members:
        asked = node.members["extends"]
        if not isinstance(asked.value, str):
            raise RejectedError(
                [Problem('"extends" takes the name of a recipe, or of a file', asked.mark, ("extends",))]
            )
        base = find(asked.value, directory, asked.mark)
        for known in chain:
            if os.path.realpath(known) == os.path.realpath(base):
                circle = " extends ".join(map(displayed, [*chain, base]))
                raise RejectedError([Problem(f"a recipe cannot extend itself: {circle}", asked.mark, ("extends",))])
        chain.append(base)
        node, directory = read(base, asked.mark), base.absolute().parent
        layers.append(_layer(node))
    whole = layers.pop()
    while layers:
        whole = merge(whole, layers.pop(), Recipe)
    return whole


def _strings(node: Node, shape: Shape, key: str = "") -> Iterator[Mark]:
    """Where strings within a node that may name a file are written: not those that name a part, or are one of some
    words."""
    if isinstance(node.value, str):
        if key != "use" and (shape is None or str in map(bare_of, members(shape))):
            yield node.mark
    elif isinstance(node.value, dict):
        for name, item in node.value.items():
            yield from _strings(item, shape_below(shape, node, name), name)
    elif isinstance(node.value, tuple):
        for index, item in enumerate(node.value):
            yield from _strings(item, shape_below(shape, node, index))


def _layer(node: Node) -> Node:
    """The recipe in one file, without the keys that are about the file."""
    if not isinstance(node.value, dict):
        raise RejectedError([Problem('a recipe is an object: {"partwise": 1, "name": ...}', node.mark)])
    schema = node.members.get("$schema")
    if schema is not None and not isinstance(schema.value, str):
        raise RejectedError([Problem('"$schema" takes the address of a schema', schema.mark, ("$schema",))])
    return replace(node, value={key: item for key, item in node.members.items() if key not in ("$schema", "extends")})


def locate(loaded: LoadedRecipe, error: PartError | BuildError) -> RecipeError:
    """`error`, whose path is a place in the recipe, as an error that shows the place in the file.

    For a default, which no file writes, it shows the nearest place that is written.
    """
    path: Path = error.path or ()
    node, unwritten = loaded.node.reach(path)
    options = " ".join(f"--set {option}" for option in loaded.overrides)
    notes = (f"note: with {options}",) if options else ()
    remark = "which is a default" if unwritten else ""
    return RejectedError([_with_origin(Problem(error.message, node.head, path, remark, notes), loaded.path)])


def _with_origin(problem: Problem, path: FilePath | None) -> Problem:
    """A problem; if it is in a file that the recipe extends, with a note that says so."""
    if problem.mark is None or path is None or problem.mark.source.path in (None, path.absolute()):
        return problem
    return replace(problem, notes=(*problem.notes, f"note: {displayed(path)} extends this file"))
