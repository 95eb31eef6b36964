"""Which style belongs to which name."""

from __future__ import annotations

from collections.abc import Sequence

from .svg import Drawing, Style, shortened, width_of

LINE = 20.0


def legend(drawing: Drawing | None, keys: Sequence[tuple[str, Style]], left: float, top: float, width: float) -> float:
    """Draws samples with their names, on as many lines as they need; returns the height. None: only measures it."""
    x, y = left, top
    for name, style in keys:
        text = shortened(name, min(220.0, width - 50))
        room = 34 + width_of(text) + 22
        if x > left and x + room > left + width:
            x, y = left, y + LINE
        if drawing:
            drawing.polyline([(x, y), (x + 26, y)], style.colour, style.dash)
            drawing.mark((x + 13, y), style.mark, style.colour, 3.6)
            drawing.text((x + 33, y), text, "key")
        x += room
    return y - top + LINE if keys else 0.0


__all__ = ["legend"]
