"""Where two recipes differ, with every default written out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from partwise.parts.part import Path

from .load import LoadedRecipe
from .reader.problems import dotted
from .recipe import Recipe


class Absent(Enum):
    """The value of the side that has nothing at a path."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True)
class Difference:
    """One place at which two recipes differ."""

    path: Path
    left: Any
    """The JSON value in the first; `ABSENT` if it has none."""
    right: Any

    def __str__(self) -> str:
        """`model.position: learned -> rope`; a part by its name, anything else as JSON."""
        return f"{dotted(self.path)}: {_shown(self.left)} -> {_shown(self.right)}"


def differences(a: LoadedRecipe | Recipe, b: LoadedRecipe | Recipe) -> list[Difference]:
    """Where `a` and `b` differ, in the order of `a`.

    Where one part replaces another, that is one difference, not one for each of their knobs.
    """
    left, right = (one.recipe if isinstance(one, LoadedRecipe) else one for one in (a, b))
    return list(_differences((), left.resolved(), right.resolved()))


def _differences(path: Path, left: Any, right: Any) -> Iterator[Difference]:
    if isinstance(left, dict) and isinstance(right, dict) and left.get("use") == right.get("use"):
        for key in [*left, *(key for key in right if key not in left)]:
            yield from _differences((*path, key), left.get(key, ABSENT), right.get(key, ABSENT))
    elif isinstance(left, list) and isinstance(right, list):
        for index in range(max(len(left), len(right))):
            sides = (side[index] if index < len(side) else ABSENT for side in (left, right))
            yield from _differences((*path, index), *sides)
    elif left != right or isinstance(left, bool) != isinstance(right, bool):  # True == 1 in Python
        yield Difference(path, left, right)


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "absent"
    if isinstance(value, dict) and isinstance(value.get("use"), str):
        return str(value["use"])
    return json.dumps(value, ensure_ascii=False)
