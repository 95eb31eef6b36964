"""Forest plot: estimates with their intervals, one row each, around a line at no difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from partwise.rendering.axes import Scale, bottom_axis, reach_of, scale
from partwise.rendering.svg import FONT, Drawing, room_for, shortened, width_of

WIDTH = 880.0
ROW = 27.0
GAP = 14.0
NARROW, STACK = 340.0, 70.0
"""Width of the figure on a narrow screen, and the height of its rows."""


@dataclass(frozen=True)
class ForestRow:
    """One estimate."""

    label: str
    heading: str
    """Rows of one heading stand together."""
    estimate: float | None
    low: float | None
    high: float | None
    dots: tuple[float, ...]
    """What the estimate is the mean of."""
    text: str
    """The figures, as they are printed."""
    verdict: str
    tip: str


def forest(rows: Sequence[ForestRow], title: str, axis: str, band: float | None, sides: tuple[str, str]) -> Markup:
    """Draws the rows; the band is the smallest difference that matters, `sides` say what left and right mean."""
    headings = len({row.heading for row in rows}) > 1
    lines: list[ForestRow | str] = []
    for row in rows:
        if headings and row.heading not in lines:
            lines.append(row.heading)
        lines.append(row)
    texts = max(width_of(row.text) for row in rows)
    verdicts = 1.2 * max(width_of(row.verdict) for row in rows)  # they are bold
    left = room_for([row.label for row in rows], 220) + GAP + (10 if headings else 0)
    right = WIDTH - texts - verdicts - 2 * GAP - (FONT if verdicts else 0)
    top, bottom = 30.0, 30.0 + ROW * len(lines) + 4
    drawing = Drawing(WIDTH, bottom + 48, title, _description(rows, axis, band))
    along = _scale(rows, band, left, right)
    if band:
        drawing.box(along(-band), top - 4, along(band) - along(-band), bottom - top + 4, "band")
    bottom_axis(drawing, along, top - 4, bottom, axis)
    drawing.line((along(0), top - 4), (along(0), bottom), "zero")
    drawing.text((along(0) - 10, 14), f"← {sides[0]}", "side", "end")
    drawing.text((along(0) + 10, 14), f"{sides[1]} →", "side")
    for number, line in enumerate(lines):
        y = top + ROW * (number + 0.5)
        if isinstance(line, str):
            drawing.text((0, y), shortened(line, right), "heading")
            continue
        with drawing.group(line.tip, f"row v-{line.verdict.replace(' ', '-') or 'none'}"):
            drawing.box(0, y - ROW / 2, WIDTH, ROW, "rest")
            drawing.text((10 if headings else 0, y), shortened(line.label, left - GAP), "label")
            _estimate(drawing, line, along, y)
            drawing.text((right + GAP + texts, y), line.text, "figures", "end")
            drawing.text((right + texts + 2 * GAP + FONT, y), line.verdict, "verdict")
    return drawing.markup()


def narrow_forest(
    rows: Sequence[ForestRow], title: str, axis: str, band: float | None, sides: tuple[str, str]
) -> Markup:
    """The same for a narrow screen: what stands beside an interval stands above and below it."""
    texts = [part for row in rows for part in (row.text, f"{row.label}  {row.verdict}")]
    width = max(NARROW, *map(width_of, texts))
    top, bottom = 26.0, 26.0 + STACK * len(rows)
    drawing = Drawing(width, bottom + 48, f"For narrow screens: {title}", _description(rows, axis, band))
    along = _scale(rows, band, 22, width - 22)
    if band:
        drawing.box(along(-band), top, along(band) - along(-band), bottom - top, "band")
    bottom_axis(drawing, along, top, bottom, shortened(axis, width), about=4)
    drawing.line((along(0), top), (along(0), bottom), "zero")
    drawing.text((0, 12), f"← {sides[0]}", "side")
    drawing.text((width, 12), f"{sides[1]} →", "side", "end")
    for number, row in enumerate(rows):
        y = top + STACK * number
        with drawing.group(row.tip, f"row v-{row.verdict.replace(' ', '-') or 'none'}"):
            drawing.text((0, y + 12), row.label, "label")
            drawing.text((width, y + 12), row.verdict, "verdict", "end")
            _estimate(drawing, row, along, y + 32)
            drawing.text((width, y + 49), row.text, "figures", "end")
    return drawing.markup()


def off_scale(rows: Sequence[ForestRow], band: float | None) -> list[str]:
    """Labels of the rows that reach beyond the figure."""
    along = _scale(rows, band, 0, 1)
    return [
        row.label
        for row in rows
        if any(end is not None and not along.holds(end) for end in (row.low, row.estimate, row.high))
    ]


def _scale(rows: Sequence[ForestRow], band: float | None, left: float, right: float) -> Scale:
    """Around zero, with the band and all rows, except those so far off that they would leave the others no room."""
    reach = reach_of([max(abs(end) for end in _ends(row)) for row in rows if _ends(row)], band or 0.0)
    shown = [end for row in rows for end in _ends(row) if abs(end) <= reach]
    return scale([0.0, -(band or 0.0), band or 0.0, *shown], left, right, margin=0.05)


def _ends(row: ForestRow) -> list[float]:
    return [end for end in (row.low, row.estimate, row.high, *row.dots) if end is not None]


def _estimate(drawing: Drawing, row: ForestRow, along: Scale, y: float) -> None:
    with drawing.window(along.start - 3, y - ROW / 2, along.end + 3, y + ROW / 2):
        for dot in row.dots:
            drawing.mark((along(dot), y - 7), "circle", "dot", 2)
        if row.low is not None and row.high is not None:
            drawing.line((along.near(row.low), y), (along.near(row.high), y), "interval")
            for end in (row.low, row.high):
                if along.holds(end):
                    drawing.line((along(end), y - 4), (along(end), y + 4), "interval")
        if row.estimate is not None and along.holds(row.estimate):
            drawing.mark((along(row.estimate), y), "square", "estimate", 4.5)
    ends = [end for end in (row.low, row.estimate, row.high) if end is not None]
    for out, tip, way in ((min(ends) < along.low, along.start, -1), (max(ends) > along.high, along.end, 1)):
        if out:
            back = tip - 9 * way
            drawing.area([(tip + 2 * way, y), (back, y - 5), (back, y + 5)], "arrow")


def _description(rows: Sequence[ForestRow], axis: str, band: float | None) -> str:
    said = "; ".join(f"{row.label}: {row.text}{', ' if row.verdict else ''}{row.verdict}" for row in rows)
    return f"{axis}. {f'The smallest effect that matters is {band:g}. ' if band else ''}{said}."


__all__ = ["ForestRow", "forest", "narrow_forest", "off_scale"]
