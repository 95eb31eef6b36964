"""Speed-ups as bars in a table: one for each row, and an axis for the column's head."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from partwise.rendering.axes import Scale, reach_of
from partwise.rendering.svg import Drawing, width_of
from partwise.studies.report.cells import LadderRow

WIDTH, HEIGHT = 150.0, 22.0
ROUND = (0.01, 0.03, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0)


def speed_up_bars(rows: Sequence[LadderRow]) -> tuple[Markup, list[Markup | None]] | None:
    """The axis, and each row's bar (None where nothing can be read); None if no row has one."""
    if not any(row.finding.speed_up for row in rows):
        return None
    along = _scale(rows)
    return _axis(along), [_bar(row, along) for row in rows]


def _ends(row: LadderRow) -> tuple[float, float | None, float]:
    """log10 of the interval's ends and of the factor; an end that is not known is where the ladder ends."""
    s = row.finding.speed_up
    assert s is not None
    low, high = (s.least if s.low is None else s.low), (s.most if s.high is None else s.high)
    return math.log10(low), None if s.factor is None else math.log10(s.factor), math.log10(high)


def _scale(rows: Sequence[LadderRow]) -> Scale:
    """Around no speed-up, and no farther than most rows reach."""
    ends = [_ends(row) for row in rows if row.finding.speed_up]
    reach = reach_of([max(abs(low), abs(high)) for low, _, high in ends], math.log10(1.5))
    return Scale(-1.08 * reach, 1.08 * reach, 4, WIDTH - 4)


def _axis(along: Scale) -> Markup:
    drawing = Drawing(WIDTH, HEIGHT, "Scale of the speed-ups", "Twice as fast to the right, half as fast to the left.")
    free = -1e9
    for factor in ROUND:
        label, at = f"{factor:g}×", math.log10(factor)
        half = width_of(label) / 2
        if along.holds(at) and free < along(at) - half and half <= along(at) <= WIDTH - half:
            drawing.text((along(at), 8), label, "tick", "middle")
            drawing.line((along(at), HEIGHT - 5), (along(at), HEIGHT), "axis")
            free = along(at) + half + 3
    return drawing.markup()


def _bar(row: LadderRow, along: Scale) -> Markup | None:
    s = row.finding.speed_up
    if s is None:
        return None
    drawing = Drawing(WIDTH, HEIGHT, f"Speed-up of {row.title}", f"{row.speed_up.tip}.")
    low, factor, high = _ends(row)
    y = HEIGHT / 2
    drawing.line((along(0), 0), (along(0), HEIGHT), "zero")
    with drawing.group("", f"row {row.verdict.style}".strip()):
        if low <= along.high and high >= along.low:
            drawing.line((along.near(low), y), (along.near(high), y), "interval")
        if factor is not None and along.holds(factor):
            drawing.mark((along(factor), y), "square", "estimate", 4.2)
        for out, tip, way in (
            (s.low is None or low < along.low, along.start, -1),
            (s.high is None or high > along.high, along.end, 1),
        ):
            if out:
                back = tip - 7 * way
                drawing.area([(tip + 3 * way, y), (back, y - 5), (back, y + 5)], "arrow")
    return drawing.markup()


__all__ = ["speed_up_bars"]
