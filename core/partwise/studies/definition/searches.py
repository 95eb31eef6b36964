"""What a search for the best values of knobs must keep to. Each check yields what is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import combinations

from partwise.parts.part import Path

from .study import MOST_TRIALS, Range, Tuning


def broken_search(tune: Tuning, seeds: int) -> Iterator[tuple[str, Path]]:
    """What is wrong with what is tried: a message, and its place in the study."""
    place: Path = ("tune",)
    for path, of in tune.by_path.items():
        at: Path = (*place, "values") if tune.at is not None else (*place, "knobs", path)
        for message in _broken_range(of) if isinstance(of, Range) else _twice(of):
            yield message, at
    for one, other in combinations(tune.by_path, 2):
        if f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}."):
            yield f"{one} and {other} are knobs of which one lies within the other; tune one of them", (*place, "knobs")
    yield from _broken_count(tune, seeds, place)


def _broken_count(tune: Tuning, seeds: int, place: Path) -> Iterator[tuple[str, Path]]:
    there = _most(tune)
    if tune.draws is None and tune.combinations is None:
        yield 'a range has no end of values; say how many combinations are drawn from it, "draws": 8', place
    elif tune.draws is not None and there is not None and tune.draws > there:
        all_of = "" if tune.combinations is None else '; without "draws" all of them are tried'
        yield f"{tune.draws} different draws, and there are {there} combinations{all_of}", (*place, "draws")
    elif tune.trials(seeds) > MOST_TRIALS:
        told = f"{tune.trials(seeds):,} trials of each variant are too many; at most {MOST_TRIALS:,}"
        yield f'{told}, and "draws" tries some of the combinations', place


def _most(tune: Tuning) -> int | None:
    """How many combinations can be told apart; None: more than anyone draws."""
    counts = [
        len(of) if not isinstance(of, Range) else round(of.high) - round(of.low) + 1 if of.whole else None
        for of in tune.by_path.values()
    ]
    return math.prod(one for one in counts if one is not None) if None not in counts else None


def _broken_range(of: Range) -> Iterator[str]:
    if not of.low < of.high or math.isinf(of.high - of.low):
        yield f"a range goes from a low to a higher value, got {of.low:g} to {of.high:g}"
    elif of.log and of.low <= 0:
        yield f"on a logarithmic scale everything is greater than 0, got {of.low:g}"
    elif of.whole and (of.low % 1 or of.high % 1):
        yield f"the ends of whole numbers are whole, got {of.low:g} and {of.high:g}"


def _twice(values: tuple[object, ...]) -> Iterator[str]:
    texts = [json.dumps(value, sort_keys=True, default=str) for value in values]
    twice = next((text for text in texts if texts.count(text) > 1), None)
    if twice is not None:
        yield f"the value {twice} stands twice; its trials would be the same runs"


__all__ = ["broken_search"]
