"""Brings a variant to the base's budget by solving for a knob: parameters, FLOPs per token, or tokens.

The quantity is assumed to be monotonic in the knob. If the knob takes only certain numbers (a width that its heads
divide), the nearest of these stands for a number that does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from partwise.recipe import LoadedRecipe, Node, Problem, RejectedError
from partwise.recipe.paths import values_at
from partwise.studies.definition.changes import override_at
from partwise.studies.definition.study import Matching
from partwise.studies.definition.variants import changed

from .costs import UNITS, Ledger

ROUNDS = 60
"""Limit on the values that doubling or halving tries on each side."""
NEIGHBOURS = 64
"""How far from a whole number that does not fit the search for one that does goes."""
UNSET = 64
"""Where the search starts for a knob that is null."""

Number = int | float
Measure = Callable[[Number], float | None]
"""The quantity at a value of the knob; None if the recipe is not valid with it."""


def match(
    loaded: LoadedRecipe, target: float, matching: Matching, knob: Node, ledger: Ledger
) -> tuple[LoadedRecipe, dict[str, Any]]:
    """The recipe with its budget matched, and what was solved for: knob path -> value; empty if it already matched.

    Raises:
        RecipeError: there is no such knob, or no value of it comes near enough; says how near one comes, and where.
    """
    has = ledger.quantity(loaded, matching.quantity)
    if has is None:
        told = "its FLOPs cannot be counted, so they cannot be matched (`partwise inspect` says why)"
        if matching.quantity == "seconds":
            told = "its trainer does not say how many updates it makes, so that its time cannot be matched"
        raise RejectedError([Problem(told, knob.mark)])
    if _off(has, target) <= matching.tolerance:
        return loaded, {}

    def with_value(value: Number) -> LoadedRecipe:
        return changed(loaded, [override_at(knob, Node(value, knob.mark))])

    tried: dict[Number, float | None] = {}

    def measure(value: Number) -> float | None:
        if value not in tried:
            try:
                tried[value] = ledger.quantity(with_value(value), matching.quantity)
            except RejectedError:
                tried[value] = None
        return tried[value]

    start = next(values_at(loaded.recipe.resolved(), matching.knob), None)  # of several places, the first
    if isinstance(start, bool | str | dict | list):
        raise RejectedError([Problem(f"{matching.knob} is not a number, so it cannot be solved for", knob.mark)])
    with_value(UNSET if start is None else start)  # raises if the path leads nowhere
    solve = _real if isinstance(start, float) else _whole
    best = solve(measure, target, UNSET if start is None else start)
    if best is None or _off(tried[best] or 0, target) > matching.tolerance:
        raise RejectedError([_too_far(matching, knob, target, best, tried.get(best) if best is not None else None)])
    return with_value(best), {matching.knob: best}


def _too_far(matching: Matching, knob: Node, target: float, best: Number | None, got: float | None) -> Problem:
    named = UNITS[matching.quantity]
    wanted = f"the base's {target:,.0f} {named}, within {matching.tolerance:.2%}"
    if best is None or got is None:
        return Problem(f"no value of {matching.knob} gives a valid recipe, to match {wanted}", knob.mark)
    share = (got - target) / target
    return Problem(
        f"cannot be matched to {wanted}: the nearest is {got:,.0f} ({share:+.2%}), with {matching.knob} {best}",
        knob.mark,
    )


def _off(got: float, target: float) -> float:
    return abs(got - target) / target if target else abs(got)


def _whole(measure: Measure, target: float, start: int) -> int | None:
    """The whole number from 1 whose quantity is nearest to `target`."""
    fitting: dict[int, float] = {}

    def near(value: int) -> tuple[int, float] | None:
        for candidate in _outwards(value):
            got = measure(candidate)
            if got is not None:
                fitting[candidate] = got
                return candidate, got
        return None

    bracket = _bracket(near, target, max(1, start), lambda value: value // 2, 1)
    if bracket is not None:
        low, high = bracket
        rising = fitting[low] <= fitting[high]
        while high - low > 1:
            found = near((low + high) // 2)
            if found is None or not low < found[0] < high:
                break
            if (found[1] < target) == rising:
                low = found[0]
            else:
                high = found[0]
        for value in range(low, min(high, low + NEIGHBOURS) + 1):  # those that the search passed over
            got = measure(value)
            if got is not None:
                fitting[value] = got
    return min(fitting, key=lambda value: (abs(fitting[value] - target), value)) if fitting else None


def _outwards(value: int) -> Iterator[int]:
    yield value
    for step in range(1, NEIGHBOURS):
        yield value + step
        if value - step >= 1:
            yield value - step


def _real(measure: Measure, target: float, start: float) -> float | None:
    """The number whose quantity is nearest to `target`, with as few digits as possible."""
    fitting: dict[float, float] = {}

    def near(value: float) -> tuple[float, float] | None:
        got = measure(value)
        if got is None:
            return None
        fitting[value] = got
        return value, got

    bracket = _bracket(near, target, start or 1.0, lambda value: value / 2, 1e-9)
    if bracket is not None:
        low, high = bracket
        rising = fitting[low] <= fitting[high]
        while high - low > 1e-6 * high:
            middle = (low + high) / 2
            found = near(middle)
            if found is None or found[1] == target:
                break
            low, high = (middle, high) if (found[1] < target) == rising else (low, middle)
    if not fitting:
        return None
    best = min(fitting, key=lambda value: abs(fitting[value] - target))
    for digits in range(1, 12):
        short = float(f"{best:.{digits}g}")
        if measure(short) == fitting[best]:
            return short
    return best


def _bracket(
    near: Any, target: float, start: Any, halved: Callable[[Any], Any], least: Number
) -> tuple[Any, Any] | None:
    """Two values, one on either side of `target`, found by doubling and halving; None if there are none."""
    first = near(start)
    if first is None:
        return None
    for step in (_doubled, halved):
        before, value = first, start
        for _ in range(ROUNDS):
            value = step(value)
            found = near(value) if value >= least else None
            if found is None or found[0] == before[0]:
                break
            if (found[1] - target) * (before[1] - target) <= 0:
                return min(before[0], found[0]), max(before[0], found[0])
            if abs(found[1] - target) > 2 * abs(first[1] - target) and found[1] != first[1]:
                break  # the quantity moves away from the target
            before = found
    return None


def _doubled(value: Any) -> Any:
    return value * 2


__all__ = ["match"]
