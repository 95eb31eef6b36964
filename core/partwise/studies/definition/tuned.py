"""What tuning tries: a grid of the listed values, or draws from the declared ranges; the same for every variant."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from random import Random

from partwise.recipe import Node
from partwise.recipe.overrides import Override

from .changes import override_at
from .reading import LoadedStudy
from .study import Range, Tuning

Combination = Mapping[str, Node]
"""Knob path -> the value that is tried, with its place in the study."""
DIGITS = 3
"""That a drawn number keeps."""
PATIENCE = 50
"""Draws that were there already before the next ones keep a digit more."""


def tried(loaded: LoadedStudy) -> list[Combination]:
    """Every combination that each variant is tried with; none if the study tunes nothing."""
    tune = loaded.study.tune
    if tune is None:
        return []
    if tune.at is not None:
        written: dict[str, Node] = {tune.at: loaded.at(("tune", "values"))}
    else:
        written = dict(loaded.at(("tune", "knobs")).members)
    if tune.draws is not None:
        return _drawn(tune, tune.draws, written)
    rows = product(*(_listed(node) for node in written.values()))
    return [dict(zip(written, row, strict=True)) for row in rows]


APART = 10_000
"""Between a seed of the study and the seed of its own trials: more than studies have seeds."""


def trial_seeds(tune: Tuning, seeds: Sequence[int]) -> list[tuple[int, int | None]]:
    """The seeds of each combination's trials, and which of the study's they choose for; None for all of them."""
    if tune.seeds is not None:
        return [(seed, None) for seed in tune.seeds]
    apart = APART
    while any(seed + apart in seeds for seed in seeds):
        apart += APART
    return [(seed + apart, seed) for seed in seeds]


def changes_of(loaded: LoadedStudy, combination: Combination) -> list[Override]:
    """What a combination changes in a recipe.

    Raises:
        RecipeError: a path of a knob is none, or leads to something that does not affect training.
    """
    return [override_at(_place(loaded, path), value) for path, value in combination.items()]


def _place(loaded: LoadedStudy, path: str) -> Node:
    if loaded.study.tune is not None and loaded.study.tune.at is not None:
        return loaded.at(("tune", "at"))
    node = loaded.at(("tune", "knobs", path))
    return Node(path, node.key or node.mark)


def _listed(node: Node) -> tuple[Node, ...]:
    assert isinstance(node.value, tuple), "an array, by the type of the study"
    return node.value


def _drawn(tune: Tuning, count: int, written: Mapping[str, Node]) -> list[Combination]:
    """The first `count` different combinations of a stream that depends on the seed and the knob's path alone.

    There are as many, as the rules of the study have seen to; in a range so narrow that they look alike, they get more
    digits.
    """
    streams = {path: Random(f"{tune.draws_seed} {path}") for path in written}
    found: dict[str, Combination] = {}
    alike = 0
    while len(found) < count:
        digits = DIGITS + alike // PATIENCE
        one = {path: _draw(tune.by_path[path], node, streams[path].random(), digits) for path, node in written.items()}
        key = json.dumps({path: node.plain() for path, node in one.items()})
        alike = alike + 1 if key in found else alike
        found.setdefault(key, one)
    return list(found.values())


def _draw(of: object, node: Node, share: float, digits: int) -> Node:
    if not isinstance(of, Range):
        values = _listed(node)
        return values[int(share * len(values))]
    # Of whole numbers each has the same room, the ends included.
    low, high = (of.low - 0.5, of.high + 0.5) if of.whole else (of.low, of.high)
    value = math.exp(_between(math.log(low), math.log(high), share)) if of.log else _between(low, high, share)
    value = round(value) if of.whole else float(f"{value:.{min(digits, 17)}g}")
    low, high = (round(of.low), round(of.high)) if of.whole else (of.low, of.high)
    return Node(min(max(value, low), high), node.mark)


def _between(low: float, high: float, share: float) -> float:
    return low + share * (high - low)


__all__ = ["Combination", "changes_of", "trial_seeds", "tried"]
