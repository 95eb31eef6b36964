"""What tuning leaves open: a best value at the edge of what was tried, and one choice for all runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, sqrt
from typing import Any, Literal

from partwise.studies.knobs import short_names
from partwise.studies.results import Drawn, Results, Variant
from partwise.wording import joined, many

from .findings import Note

OUTERMOST = 0.1
"""Share of a range, at each end, in which a best value is said to be at its end."""


@dataclass(frozen=True)
class Edge:
    """A best value of a knob beyond which nothing was tried."""

    knob: str
    """Its path."""
    value: float
    end: Literal["largest", "smallest", "upper end", "lower end"]
    """The largest or smallest that was tried; or it lies at an end of the range that was drawn from."""


def edges_of(results: Results, variant: Variant) -> list[Edge]:
    """The knobs of which the variant's best value is the largest or smallest number of which anything came, or lies in
    the outermost tenth of the range that was drawn from.

    A value that diverged was tried, and so bounds the others; one whose runs failed or wait was not.
    """
    return [edge for knob in results.tuned_knobs if (edge := _edge(results, variant, knob)) is not None]


def _edge(results: Results, variant: Variant, knob: str) -> Edge | None:
    chosen: Any = variant.tuned.get(knob)
    own = [t for t in results.trials if t.variant == variant.name]
    if not _number(chosen) or not all(_number(t.values[knob]) for t in own):
        return None
    open_ones = [t.values for t in own if t.state not in ("done", "diverged", "stopped")]
    tried = {t.values[knob] for t in own if t.values not in open_ones}
    if chosen not in tried:
        return None
    if chosen == min(tried) == 0:
        return None  # of a knob that is never less
    if chosen in (max(tried), min(tried)):
        return Edge(knob, float(chosen), "largest" if chosen == max(tried) else "smallest")
    drawn = results.tuned_knobs[knob]
    place = None if drawn is None else _place(float(chosen), drawn)
    if place is None or OUTERMOST <= place <= 1 - OUTERMOST:
        return None
    return Edge(knob, float(chosen), "upper end" if place > OUTERMOST else "lower end")


def _place(value: float, drawn: Drawn) -> float:
    """From 0 at the low end to 1 at the high one, on the scale that was drawn on."""
    low, high = drawn.low, drawn.high
    if drawn.log:
        low, high, value = log(low), log(high), log(value)
    return (value - low) / (high - low)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def edge_notes(results: Results, variant: Variant) -> Iterator[Note]:
    """About a contrast: that its variant, or the baseline, might do better still."""
    base = next(v for v in results.variants if v.name == results.baseline)
    of_variant, of_base = edges_of(results, variant), edges_of(results, base)
    both = [edge for edge in of_variant if edge in of_base]
    known = [("the variant", edge) for edge in of_variant if edge not in both]
    known += [("the baseline", edge) for edge in of_base if edge not in both]
    names = short_names(results.tuned_knobs)
    for who, edge in [*(("both", edge) for edge in both), *known]:
        ends = edge.end in ("largest", "smallest")
        what = f"is the {edge.end} that was tried" if ends else f"lies at the {edge.end} of the range drawn from"
        value = f"the best {names[edge.knob]} of {who}, {edge.value:g}, {what}"
        yield Note("edge", f"{value}, so that a better one may lie beyond")


def choice_error(results: Results, sd: float | None) -> float | None:
    """Standard error that a difference has beyond its seeds' because one choice by trials was made for all runs.

    Args:
        sd: of the paired differences, whose half (in variance) is one run's scatter.
    """
    shared = results.shared_choice
    return None if shared is None or sd is None else sd * sqrt(shared.widening(1) ** 2 - 1)


def choice_shared(results: Results) -> Iterator[Note]:
    """About the study: that the intervals are wider for one choice of what was tuned."""
    shared = results.shared_choice
    if shared is None:
        return
    factor = shared.widening(len(results.seeds))
    yield Note(
        "shared_choice",
        f"All runs of a variant have the {joined(short_names(results.tuned_knobs).values())} that trials on "
        f"{many(shared.seeds, 'seed')} chose. Where two values do almost alike, a chance choice between them can pass "
        f"for a difference between variants, so that the intervals are {factor:.2g} times as wide as the seeds alone "
        'would have them. Without "seeds" in "tune", each seed has a choice of its own, and they need not be.',
    )


def same_texts(results: Results) -> Iterator[Note]:
    """About the study: what was chosen on the texts it is judged by looks a little better there than elsewhere."""
    if results.trials and results.metric.split == "valid":
        yield Note(
            "same_texts",
            "Tuning and comparison use the same texts, the valid split, though other seeds: the figures of all "
            "variants flatter them a little. With the test split as the metric's, they would not.",
        )


__all__ = ["Edge", "choice_error", "choice_shared", "edge_notes", "edges_of", "same_texts"]
