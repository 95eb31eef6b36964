"""Small multiples: a panel for each variant, its difference from the baseline in every place, all on one scale.

Each panel is a figure by itself, so that a page lays out as many side by side as there is room for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from partwise.rendering.axes import Scale, reach_of, scale, tick_labels, ticks
from partwise.rendering.svg import Drawing, Point, shortened, width_of
from partwise.studies.analysis.findings import Contrast

WIDTH, HEIGHT = 186.0, 128.0
LEFT, RIGHT, TOP, BOTTOM = 48.0, 8.0, 8.0, 104.0


@dataclass(frozen=True)
class Place:
    """A difference in one place."""

    label: str
    at: float
    """Along the panel."""
    contrast: Contrast
    tip: str


@dataclass(frozen=True)
class Multiple:
    """One variant's panel."""

    name: str
    description: str
    places: tuple[Place, ...]
    trend: tuple[Point, Point] | None = None
    """From the first place to the last; None: no line."""
    found: bool = False
    """Whether the trend is more than chance; if not, it is dashed."""
    overall: Contrast | None = None
    """Over all places, as a line across with its interval."""
    behind: tuple[tuple[Point, ...], ...] = ()
    """Thin lines: what single texts say."""


def multiples(drawn: Sequence[Multiple], band: float | None) -> list[Markup]:
    """The panels, in their order."""
    upward, across = _upward(drawn, band), _across(drawn)
    return [_panel(one, upward, across, band) for one in drawn]


def beyond(drawn: Sequence[Multiple], band: float | None) -> list[str]:
    """Names of the variants that reach beyond the scale."""
    upward = _upward(drawn, band)
    return [
        one.name for one in drawn if any(not upward.holds(end) for place in one.places for end in _ends(place.contrast))
    ]


def _ends(c: Contrast) -> list[float]:
    return [end for end in (c.low, c.difference, c.high) if end is not None]


def _upward(drawn: Sequence[Multiple], band: float | None) -> Scale:
    """Around zero, with the band and all variants but those so far off that they would leave the others no room."""
    least = 2 * (band or 0.0)
    by_variant = [[abs(end) for place in one.places for end in _ends(place.contrast)] for one in drawn]
    reach = reach_of([max(of) for of in by_variant if of], least)
    shown = [end for one in drawn for place in one.places for end in _ends(place.contrast) if abs(end) <= reach]
    return scale([0.0, -least, least, *shown], BOTTOM, TOP, margin=0.04)


def _across(drawn: Sequence[Multiple]) -> Scale:
    at = [place.at for one in drawn for place in one.places]
    return scale(at, LEFT, WIDTH - RIGHT, margin=0.08)


def _panel(one: Multiple, upward: Scale, across: Scale, band: float | None) -> Markup:
    drawing = Drawing(WIDTH, HEIGHT, one.name, one.description)
    if band:
        drawing.box(LEFT, upward.near(band), WIDTH - RIGHT - LEFT, upward.near(-band) - upward.near(band), "band")
    marks = ticks(upward.low, upward.high, 3)
    for mark, label in zip(marks, tick_labels(marks), strict=True):
        drawing.text((LEFT - 5, upward(mark)), label, "tick", "end")
        drawing.line((LEFT, upward(mark)), (WIDTH - RIGHT, upward(mark)), "grid")
    drawing.line((LEFT, upward(0)), (WIDTH - RIGHT, upward(0)), "zero")
    _labels(drawing, one.places, across)
    if one.overall is not None:
        _overall(drawing, one.overall, upward)
    for thin in one.behind:
        within = [(across(x), upward(y)) for x, y in thin if upward.holds(y)]
        if len(within) > 1:
            drawing.polyline(within, "behind")
    if one.trend is not None and all(upward.holds(y) for _, y in one.trend):
        line = [(across(x), upward(y)) for x, y in one.trend]
        drawing.polyline(line, "thin s-base", "" if one.found else "4 4")
    for place in one.places:
        _place(drawing, place, across(place.at), upward)
    return drawing.markup()


def _labels(drawing: Drawing, places: Sequence[Place], across: Scale) -> None:
    """The last one first, then from the left as many as fit."""
    free, end = -1e9, 1e9
    for place in [*places[-1:], *places[:-1]]:
        label = shortened(place.label, (WIDTH - LEFT - RIGHT) / min(len(places), 3) - 4)
        half = width_of(label) / 2
        x = min(max(across(place.at), half), WIDTH - half - 1)
        if place is places[-1]:
            end = x - half - 6
        elif x - half < free or x + half > end:
            continue
        else:
            free = x + half + 6
        drawing.text((x, HEIGHT - 10), label, "tick", "middle")


def _overall(drawing: Drawing, c: Contrast, upward: Scale) -> None:
    if c.low is None or c.high is None or c.difference is None:
        return
    top, bottom = upward.near(c.high), upward.near(c.low)
    corners = [(LEFT, top), (WIDTH - RIGHT, top), (WIDTH - RIGHT, bottom), (LEFT, bottom)]
    drawing.area(corners, f"v-{c.verdict.replace(' ', '-')}")
    if upward.holds(c.difference):
        drawing.line((LEFT, upward(c.difference)), (WIDTH - RIGHT, upward(c.difference)), "mean")


def _place(drawing: Drawing, place: Place, x: float, upward: Scale) -> None:
    c = place.contrast
    with drawing.group(place.tip, f"row v-{c.verdict.replace(' ', '-')}"):
        drawing.box(x - 9, TOP, 18, BOTTOM - TOP, "rest")
        if c.low is not None and c.high is not None and c.low <= upward.high and c.high >= upward.low:
            drawing.line((x, upward.near(c.low)), (x, upward.near(c.high)), "interval")
        if c.difference is not None and upward.holds(c.difference):
            drawing.mark((x, upward(c.difference)), "square", "estimate", 4.5)
        ends = _ends(c)
        for out, tip, way in (
            (max(ends, default=0) > upward.high, TOP, 1),
            (min(ends, default=0) < upward.low, BOTTOM, -1),
        ):
            if out:
                drawing.area([(x, tip - 2 * way), (x - 5, tip + 7 * way), (x + 5, tip + 7 * way)], "arrow")


__all__ = ["Multiple", "Place", "beyond", "multiples"]
