"""The errors that pydantic finds, each with the place in the recipe that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from partwise.parts.part import Path
from partwise.parts.shapes import Shape, members

from . import suggestions as names
from .paths import model_at, shape_below
from .reader.source import Mark, Node

OF_PYDANTIC = frozenset(get_args(ErrorType))
LIMITS = (
    "greater_than",
    "less_than",
    "multiple_of",
    "too_short",
    "too_long",
    "string_too_short",
    "string_too_long",
    "string_pattern_mismatch",
)
"""How the types of errors about limits begin: "greater_than_equal" is one, too."""


@dataclass(frozen=True)
class LocatedError:
    """An error of pydantic's and the place it is about."""

    error: ErrorDetails
    path: Path
    shape: Shape
    """The type that the place takes."""
    owner: type[BaseModel] | None
    """The class that has the knob named by the last key of the path."""
    node: Node
    """What is written there or, if nothing is, at the nearest place above."""
    unwritten: Path
    """The rest of the path, which is not written; empty if all of it is."""
    union: Path | None
    """The place of the outermost union on the path; its other alternatives have errors, too."""
    alternative: str | int | None
    """The alternative of that union that the error is about, by pydantic's name for it."""

    @property
    def mark(self) -> Mark:
        """Where the caret goes; for a part that fails as a whole, its name."""
        if self.error["type"] == "extra_forbidden" and self.node.key is not None:
            return self.node.key
        if self.error["type"] in ("part_unknown", "part_of_another_kind") and "use" in self.node.members:
            return self.node.members["use"].mark
        return self.node.head

    @property
    def at_union(self) -> bool:
        """Whether it only says that the value is of none of the types of a union."""
        return self.path == self.union

    @property
    def weight(self) -> tuple[int, int]:
        """How specific an error about one alternative of a union is: the deeper inside, the more."""
        kind = self.error["type"]
        return len(self.path), 2 if kind not in OF_PYDANTIC else 1 if kind.startswith(LIMITS) else 0


def located(model: type[BaseModel], root: Node, error: ErrorDetails) -> LocatedError:
    """`error` with its place. Pydantic's path has an extra segment wherever it enters an alternative of a union."""
    node: Node = root
    shape: Shape = model
    owner: type[BaseModel] | None = None
    path: Path = ()
    unwritten: Path = ()
    union: Path | None = None
    alternative: str | int | None = None
    inside = False  # an alternative of the current union
    location = error["loc"]
    if error["type"] == "missing" and isinstance(location[-1], int):
        location = location[:-1]  # the array is what is wrong: it is too short
    for segment in location:
        if not inside and sum(member is not type(None) for member in members(shape)) > 1:
            if union is None:
                union, alternative = path, segment
            inside = True
            continue
        inside = False
        owner = model_at(shape, node) if isinstance(segment, str) else owner
        shape = shape_below(shape, node, segment)
        path = (*path, segment)
        child = None if unwritten else node.child(segment)
        if child is None:
            unwritten = (*unwritten, segment)
        else:
            node = child
    return LocatedError(error, path, shape, owner, node, unwritten, union, alternative)


def without_echoes(found: list[LocatedError]) -> list[LocatedError]:
    """Without errors that follow from another: the rest of a union, and a missing key that is there, misspelt."""
    misspelt = set()
    for one in found:
        if one.error["type"] == "extra_forbidden" and one.owner is not None:
            meant = names.suggestion(str(one.path[-1]), one.owner.model_fields)
            misspelt.add((*one.path[:-1], meant))
    failing = {one.path[:depth] for one in found for depth in range(len(one.path))}
    best = {one.union: one for one in sorted(found, key=lambda one: one.weight)}
    kept: dict[Path, LocatedError] = {}
    for one in found:
        if one.error["type"] == "missing" and one.path in misspelt:
            continue
        if one.error["type"] == "too_short" and one.path in failing:
            continue  # pydantic counts only the valid elements
        if one.union is None or one.alternative == best[one.union].alternative:
            kept.setdefault(one.path, one)
    return list(kept.values())
