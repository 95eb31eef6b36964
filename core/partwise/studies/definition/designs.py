"""Which variants a study has: the levels of each factor, and the combinations that its design runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from partwise.parts.part import Path
from partwise.recipe import Node, Problem, RejectedError
from partwise.recipe.overrides import Override
from partwise.recipe.reader.problems import cut
from partwise.studies.fractions import rows as fraction_rows

from .changes import override_at, patch_of
from .reading import LoadedStudy
from .study import Factor

BASE = "base"
LISTED = "variant"
"""The name of the only factor of a study that lists its variants."""

Written = tuple[str, Node, Path]
"""A value as it is written in the study: its label, the value, its path."""


@dataclass(frozen=True)
class Level:
    """One value of a factor."""

    label: str
    changes: tuple[Override, ...]
    """What it changes in the base recipe; nothing if the base recipe already has this value."""
    path: Path = ()
    """Its path in the study."""
    node: Node | None = None
    """What is written there; None if the study does not write it."""


@dataclass(frozen=True)
class Levels:
    """A factor's levels. The first is the baseline if `declared`; otherwise the baseline is still to be found."""

    factor: str
    levels: tuple[Level, ...]
    declared: bool


@dataclass(frozen=True)
class Choice:
    """One variant: a level for each factor."""

    name: str
    levels: tuple[tuple[str, Level], ...]
    """(factor, level), for every factor."""

    @property
    def changes(self) -> list[Override]:
        return [change for _, level in self.levels for change in level.changes]

    @property
    def labels(self) -> dict[str, str]:
        return {factor: level.label for factor, level in self.levels}


def levels_of(loaded: LoadedStudy, problems: list[Problem]) -> list[Levels]:
    """The levels that the study writes, for every factor that is valid.

    What is wrong with the others (a path that leads nowhere, a label that is used twice) is added to `problems`.
    """
    found: list[Levels] = []
    if loaded.study.design == "list":
        listed = loaded.node.members["variants"].members
        pairs: list[Written] = [(name, node, ("variants", name)) for name, node in listed.items()]
        found.append(Levels(LISTED, (Level(BASE, ()), *_changed(pairs, None, problems)), True))
    for name, factor in loaded.study.factors.items():
        try:
            found.append(_of_factor(name, factor, loaded))
        except RejectedError as error:
            problems += error.problems
    return found


def _of_factor(name: str, factor: Factor, loaded: LoadedStudy) -> Levels:
    place: Path = ("factors", name)
    node = loaded.at(place)
    written = node.members.get("values")
    if written is None:
        pairs: list[Written] = []
    elif isinstance(written.value, dict):
        pairs = [(key, child, (*place, "values", key)) for key, child in written.members.items()]
    else:
        items = enumerate(written.value if isinstance(written.value, tuple) else ())
        pairs = [(label_of(child), child, (*place, "values", index)) for index, child in items]
    declared = "baseline" in factor.model_fields_set
    if declared:
        pairs = _first(pairs, node.members["baseline"], (*place, "baseline"))
    if loaded.study.design == "leave_one_out":
        off = _first(pairs, node.members["off"], (*place, "off"))[0]
        pairs = [*pairs[:1], off] if declared else [off]
    problems: list[Problem] = []
    levels = _changed(pairs, node.members.get("at"), problems)
    if problems:
        raise RejectedError(problems)
    return Levels(name, levels, declared)


def _first(pairs: list[Written], named: Node, path: Path) -> list[Written]:
    """The values with the one that `named` names (by its label or its content) in front; it is added if it is new."""
    for index, pair in enumerate(pairs):
        if named.value == pair[0] or named.plain() == pair[1].plain():
            return [pair, *pairs[:index], *pairs[index + 1 :]]
    return [(label_of(named), named, path), *pairs]


def _changed(pairs: list[Written], at: Node | None, problems: list[Problem]) -> tuple[Level, ...]:
    """The levels of these values. A mistake is added to `problems` once, even if every value makes it."""
    places = [] if at is None or at.value is None else list(at.value) if isinstance(at.value, tuple) else [at]
    levels: dict[str, Level] = {}
    for label, node, path in pairs:
        try:
            changes = tuple(override_at(place, node) for place in places) if places else (patch_of(node),)
        except RejectedError as error:
            problems += [one for one in error.problems if one not in problems]
            continue
        if label in levels:
            message = f'two values are called {label!r}; give each its own name: "values": {{"name": value}}'
            problems.append(Problem(message, node.head, path))
        levels[label] = Level(label, changes, path, node)
    return tuple(levels.values())


def label_of(node: Node) -> str:
    """A value as it is shown in tables: `rope`, `rope (base 1000000.0)`, `0.1`, `heads 4`."""
    if isinstance(node.value, str):
        return node.value
    if not isinstance(node.value, dict):
        return cut(json.dumps(node.plain(), ensure_ascii=False))
    knobs = ", ".join(_flat({key: child for key, child in node.members.items() if key != "use"}))
    if node.use is None:
        return cut(knobs or "{}")
    return cut(f"{node.use} ({knobs})" if knobs else node.use)


def _flat(members: dict[str, Node], prefix: str = "") -> Iterator[str]:
    for key, child in members.items():
        if isinstance(child.value, dict) and child.use is None:
            yield from _flat(child.members, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key} {label_of(child)}"


def choices(design: str, factors: list[Levels], resolution: int = 4) -> list[Choice]:
    """Every variant, the base first; the first level of each factor is its baseline."""
    base = [(one.factor, one.levels[0]) for one in factors]
    if design == "grid":
        names = [one.factor for one in factors]
        rows = [list(zip(names, row, strict=True)) for row in product(*(one.levels for one in factors))]
    elif design == "fractional":
        rows = [
            [(one.factor, one.levels[second]) for one, second in zip(factors, run, strict=True)]
            for run in fraction_rows(len(factors), resolution)
        ]
    else:
        rows = [base]
        for index, one in enumerate(factors):
            rows += [[*base[:index], (one.factor, level), *base[index + 1 :]] for level in one.levels[1:]]
    return [Choice(_name(design, row, base), tuple(row)) for row in rows]


def _name(design: str, row: list[tuple[str, Level]], base: list[tuple[str, Level]]) -> str:
    changed = [(factor, level) for (factor, level), pair in zip(row, base, strict=True) if (factor, level) != pair]
    if design == "list":
        return changed[0][1].label if changed else BASE
    return ", ".join(f"{factor}={level.label}" for factor, level in changed) or BASE


__all__ = ["BASE", "LISTED", "Choice", "Level", "Levels", "choices", "label_of", "levels_of"]
