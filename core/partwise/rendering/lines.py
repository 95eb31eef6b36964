"""Panels of lines side by side: learning curves, tuning, interactions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from .axes import Scale, bottom_axis, left_axis, logarithmic_scale, round_powers, scale
from .legend import legend
from .svg import Drawing, Point, Style, shortened, width_of

WIDTH = 880.0
MOST_TOGETHER = 8
"""With more series than this each gets a panel of its own."""
MOST_TICKS = 8
"""Of values that are ticks of their own."""


@dataclass(frozen=True)
class Series:
    """One line."""

    name: str
    style: Style
    points: tuple[Point, ...]
    tips: tuple[str, ...] = ()
    """What is shown when a pointer rests on each point; empty: nothing."""
    low: tuple[Point, ...] = ()
    high: tuple[Point, ...] = ()
    """Edges of a band about the line."""
    chosen: int | None = None
    """A point to be ringed."""
    joined: bool = True
    """Whether a line goes through the points."""


@dataclass(frozen=True)
class Panel:
    """One set of axes."""

    title: str
    """Of the vertical axis."""
    series: tuple[Series, ...]
    across: str
    """Title of the horizontal axis."""
    names: tuple[str, ...] = ()
    """At 0, 1, 2 ... of the horizontal axis, if it shows no numbers."""
    logarithmic: bool = False
    heights: tuple[float, ...] = ()
    """Values that the vertical axis must show; empty: all of them."""
    band: float | None = None
    """Smallest effect that matters, about zero."""
    scattered: tuple[tuple[Style, Point], ...] = field(default=())
    """Single points behind the lines."""
    arrows: bool = False
    """Whether an arrow at the edge stands for each point above or below the axis."""


def panels(
    title: str,
    description: str,
    drawn: Sequence[Panel],
    columns: int,
    height: float,
    keys: Sequence[tuple[str, Style]],
) -> Markup:
    """Draws them in rows of `columns`, each `height` high, with one legend for all."""
    rows = math.ceil(len(drawn) / columns)
    head = legend(None, keys, 0, 12, WIDTH) + (14 if keys else 0)
    space = height + (84 if any(panel.across for panel in drawn) else 66)
    drawing = Drawing(WIDTH, head + rows * space, title, description)
    legend(drawing, keys, 0, 12, WIDTH)
    width = WIDTH / columns
    for number, one in enumerate(drawn):
        row, column = divmod(number, columns)
        top = head + row * space + 34
        _panel(drawing, one, width * column + 52, top, width * (column + 1) - 14, top + height)
    return drawing.markup()


def _panel(drawing: Drawing, panel: Panel, left: float, top: float, right: float, bottom: float) -> None:
    across, upward = _across(panel, left, right), _upward(panel, bottom, top)
    if panel.band:
        with drawing.window(left, top, right, bottom):
            drawing.box(left, upward(panel.band), right - left, upward(-panel.band) - upward(panel.band), "band")
    left_axis(drawing, upward, left, right, shortened(panel.title, right - left + 40))
    if panel.names:
        _names(drawing, panel, across, top, bottom)
    elif panel.logarithmic:
        _powers(drawing, panel, across, top, bottom)
    else:
        bottom_axis(drawing, across, top, bottom, panel.across, max(2, int((right - left) / 80)))
    if panel.band is not None:
        drawing.line((left, upward(0)), (right, upward(0)), "zero")
    with drawing.window(left - 5, top - 2, right + 5, bottom + 5):
        for one in panel.series:
            if one.low:
                edge = [*one.low, *reversed(one.high)]
                drawing.area([(across(x), upward(y)) for x, y in edge], one.style.colour)
        for style, (x, y) in panel.scattered:
            drawing.mark((across(x), upward(y)), style.mark, f"faint {style.colour}", 2.6)
        for one in panel.series:
            _series(drawing, one, across, upward)
    if panel.arrows:
        for one in panel.series:
            _arrows(drawing, one, across, upward)


def _arrows(drawing: Drawing, one: Series, across: Scale, upward: Scale) -> None:
    for number, (x, y) in enumerate(one.points):
        if upward.holds(y):
            continue
        edge, way = (upward.end, 1) if y > upward.high else (upward.start, -1)
        with drawing.group(one.tips[number] if one.tips else "", "point"):
            tip, foot = edge - 2 * way, edge + 8 * way
            drawing.area([(across(x), tip), (across(x) - 5, foot), (across(x) + 5, foot)], f"arrow {one.style.colour}")


def _series(drawing: Drawing, one: Series, across: Scale, upward: Scale) -> None:
    places = [(across(x), upward(y)) for x, y in one.points]
    with drawing.group(one.name, "series"):
        if one.joined:
            drawing.polyline(places, one.style.colour, one.style.dash)
        for number, place in enumerate(places):
            if one.tips:
                with drawing.group(one.tips[number], "point"):
                    drawing.mark(place, one.style.mark, one.style.colour, 3.8)
            elif number == len(places) - 1:
                drawing.mark(place, one.style.mark, one.style.colour, 3.8)
            if number == one.chosen:
                drawing.mark(place, "ring", f"chosen {one.style.colour}", 8)


def _across(panel: Panel, left: float, right: float) -> Scale:
    if panel.names:
        return Scale(-0.4, len(panel.names) - 0.6, left, right)
    values = [x for one in panel.series for x, _ in one.points]
    return logarithmic_scale(values, left, right) if panel.logarithmic else scale(values, left, right, 0.03)


def _upward(panel: Panel, bottom: float, top: float) -> Scale:
    heights = [y for one in panel.series for y in (y for _, y in (*one.points, *one.low, *one.high))]
    heights += [y for _, (_, y) in panel.scattered]
    wanted = [*(panel.heights or heights)]
    if panel.band:
        wanted += [-panel.band, panel.band]
    return scale(wanted, bottom, top)


def _names(drawing: Drawing, panel: Panel, across: Scale, top: float, bottom: float) -> None:
    room = across(1) - across(0) - 6
    numbers = all(name.isdecimal() for name in panel.names)  # those left out are known from their neighbours
    every = math.ceil(max(map(width_of, panel.names), default=0.0) / room) if numbers else 1
    for number, name in enumerate(panel.names):
        drawing.line((across(number), top), (across(number), bottom), "grid")
        if number % max(every, 1) == 0:
            drawing.text((across(number), bottom + 14), name if numbers else shortened(name, room), "tick", "middle")
    drawing.line((across.start, bottom), (across.end, bottom), "axis")
    drawing.text(((across.start + across.end) / 2, bottom + 34), panel.across, "axis-title", "middle")


def _powers(drawing: Drawing, panel: Panel, across: Scale, top: float, bottom: float) -> None:
    """The values themselves as ticks, if they are few; otherwise round ones."""
    free = -math.inf
    tried = sorted({x for one in panel.series for x, _ in one.points})
    for value in tried if len(tried) <= MOST_TICKS else round_powers(across.low, across.high):
        label = f"{value:g}"
        drawing.line((across(value), top), (across(value), bottom), "grid")
        if across(value) - width_of(label) / 2 > free:
            drawing.text((across(value), bottom + 14), label, "tick", "middle")
            free = across(value) + width_of(label) / 2
    drawing.line((across.start, bottom), (across.end, bottom), "axis")
    drawing.text(((across.start + across.end) / 2, bottom + 34), panel.across, "axis-title", "middle")


__all__ = ["MOST_TOGETHER", "Panel", "Series", "panels"]
