"""The first module that differs: what it reads is equal, and what it gives is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .judging import IN_FLOAT64, Difference, counted, difference, in_order, rounding
from .pairs import WHOLE, Pair, around
from .watching import Moment, Side

Values = Mapping[tuple[str, Side, int], Tensor]
"""What modules read and gave, by name, side and number of the call."""


@dataclass(frozen=True)
class Compared:
    """One pair of modules at one side, in the order of the pass."""

    pair: Pair
    side: Side
    call: int
    difference: Difference


@dataclass(frozen=True)
class FirstDifference:
    """Where two passes part."""

    module: Pair
    """The smallest pair of modules that has the fault within it."""
    agreed: Compared | None
    """The last that is equal before it."""
    differs: Compared | None
    """The first that is not; None: the logits, after all modules."""


def compared(
    pairs: Sequence[Pair], ours: Sequence[Moment], theirs: Sequence[Values], where: Tensor | None
) -> list[Compared]:
    """Every pair that was called on both sides, in the order of our pass.

    Args:
        theirs: in the type of ours, and in float32; only the first if rounding cannot be measured.
        where: [B, T] bool, the positions that count.
    """
    own, found = by_place(ours), []
    last = {name: pair for pair in pairs for name in pair.ours[-1:]}
    for moment in ours:
        pair = last.get(moment.module)
        if pair is None:
            continue
        one = _value(own, pair.ours, moment.side, moment.call)
        others = [_value(values, pair.theirs, moment.side, moment.call) for values in theirs]
        if one is None or any(other is None or one.numel() != other.numel() for other in others):
            continue
        told = _difference(one, [other for other in others if other is not None], where, pair, moment.side)
        found.append(Compared(pair, moment.side, moment.call, told))
    return found


def first(pairs: Sequence[Pair], found: Sequence[Compared]) -> FirstDifference:
    """Where the first of these that is not equal points to."""
    wrong = next((one for one in found if not one.difference.equal), None)
    before = found if wrong is None else found[: found.index(wrong)]
    agreed = before[-1] if before else None
    if wrong is None:
        return FirstDifference(WHOLE, agreed, None)
    places = [wrong.pair] if agreed is None else [wrong.pair, agreed.pair]
    if wrong.side == "output":  # what it read was equal, or could not be compared
        return FirstDifference(wrong.pair, agreed, wrong)
    others = [pair for pair in pairs if pair != wrong.pair]
    return FirstDifference(around(others, *places), agreed, wrong)


def by_place(moments: Sequence[Moment]) -> Values:
    return {(one.module, one.side, one.call): one.value for one in moments}


def _value(values: Values, names: Sequence[str], side: Side, call: int) -> Tensor | None:
    """What these modules gave, side by side; or what the first of them read."""
    every = [values.get((name, side, call)) for name in (names if side == "output" else names[:1])]
    known = [one for one in every if one is not None]
    if len(known) < len(every) or any(one.shape[:-1] != known[0].shape[:-1] for one in known):
        return None
    return known[0] if len(known) == 1 else torch.cat(known, -1)


def _difference(one: Tensor, others: list[Tensor], where: Tensor | None, pair: Pair, side: Side) -> Difference:
    alike = [other.reshape(one.shape) for other in others]
    rounded = rounding(counted(alike[-1], where), alike[0] if len(alike) > 1 else None)
    told = difference(one, alike[0], rounded, IN_FLOAT64, where)
    if told.equal or side == "input" or pair.ours == pair.theirs:
        return told
    # Maps may order the rows of a projection otherwise than theirs; what is wrong then shows in what reads it.
    return min(
        told, difference(in_order(one), in_order(alike[0]), rounded, IN_FLOAT64, where), key=lambda it: it.largest
    )
