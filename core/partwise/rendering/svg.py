"""Scalable vector graphics, as far as figures need them: escaped, with titles, coloured by the page's style sheet.

Nothing here names a colour: shapes carry the classes of `style/page.css`, so that one figure serves a light page,
a dark one and paper. Lengths are in units of the view box, which is about a pixel wide.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree
from zlib import crc32

from markupsafe import Markup, escape

from .page import styled
from .text import printable

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]

FONT = 13.0
COLOURS = 7
DASHES = ("", "7 3", "2 3", "9 3 2 3")
MARKS = ("circle", "square", "triangle", "diamond", "cross", "ring")


@dataclass(frozen=True)
class Style:
    """How one of several series differs from the others: in colour, and without it."""

    colour: str
    dash: str
    mark: str

    @classmethod
    def of(cls, index: int) -> Style:
        """Of the nth series; the baseline is -1, in the colour of the text."""
        if index < 0:
            return cls("s-base", "", "circle")
        return cls(f"s{index % COLOURS}", DASHES[(index + 1) % len(DASHES)], MARKS[(index + 1) % len(MARKS)])


class Drawing:
    """A figure, and the methods that draw into it."""

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        self.width, self.height, self.title, self.description = width, height, title, description
        self._root = ElementTree.Element("g")
        self._open = [self._root]
        self._clips = 0

    def group(self, tip: str = "", classes: str = "") -> _Group:
        """Groups what is drawn within a `with` block; the tip is shown when a pointer rests on the group."""
        return _Group(self, tip, classes)

    def window(self, left: float, top: float, right: float, bottom: float) -> _Group:
        """Cuts off what is drawn within a `with` block where it leaves the box."""
        self._clips += 1
        letters = "".join(c for c in self.title.lower() if "a" <= c <= "z")[:24]
        name = f"clip-{letters}-{crc32(self.title.encode('utf-8', 'replace')):x}-{self._clips}"
        clip = self._add("clipPath", {"id": name})
        box = {"x": _n(left), "y": _n(top), "width": _n(right - left), "height": _n(bottom - top)}
        ElementTree.SubElement(clip, "rect", box)
        group = _Group(self, "", "")
        group.attributes["clip-path"] = f"url(#{name})"
        return group

    def line(self, start: Point, end: Point, classes: str, dash: str = "") -> None:
        attributes = {"x1": _n(start[0]), "y1": _n(start[1]), "x2": _n(end[0]), "y2": _n(end[1]), "class": classes}
        self._add("line", attributes | _dashed(dash))

    def polyline(self, points: Sequence[Point], classes: str, dash: str = "") -> None:
        self._add("polyline", {"points": _points(points), "class": f"line {classes}"} | _dashed(dash))

    def area(self, points: Sequence[Point], classes: str) -> None:
        self._add("polygon", {"points": _points(points), "class": f"area {classes}"})

    def box(self, left: float, top: float, width: float, height: float, classes: str) -> None:
        attributes = {"x": _n(left), "y": _n(top), "width": _n(width), "height": _n(height), "class": classes}
        self._add("rect", attributes)

    def text(self, place: Point, text: str, classes: str = "", anchor: Anchor = "start") -> None:
        """A line of text, its middle at the height of `place`."""
        # A third of the font's size below the middle is the base line; `dominant-baseline` is not supported everywhere.
        attributes = {"x": _n(place[0]), "y": _n(place[1] + FONT / 3), "class": classes or "label"}
        if anchor != "start":
            attributes["text-anchor"] = anchor
        self._add("text", attributes).text = printable(text)

    def mark(self, place: Point, shape: str, classes: str, size: float = 4.0) -> None:
        """A point, in one of `MARKS`."""
        x, y = place
        attributes = {"class": f"mark {classes}"}
        corners: list[Point] = {
            "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            "triangle": [(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
            "diamond": [(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        }.get(shape, [])
        if corners:
            self._add("polygon", attributes | {"points": _points([(x + size * a, y + size * b) for a, b in corners])})
        elif shape == "cross":
            a = size * 0.9
            path = f"M{_n(x - a)} {_n(y - a)}L{_n(x + a)} {_n(y + a)}M{_n(x - a)} {_n(y + a)}L{_n(x + a)} {_n(y - a)}"
            self._add("path", {"d": path, "class": f"mark open {classes}"})
        else:
            ring = " open" if shape == "ring" else ""
            self._add("circle", {"cx": _n(x), "cy": _n(y), "r": _n(size), "class": f"mark{ring} {classes}"})

    def markup(self) -> Markup:
        """The figure, to stand in a page. It declares no namespace: within HTML it needs none."""
        head = Markup('<svg class="figure" role="group" viewBox="0 0 {} {}" width="{}" aria-label="{}">').format(
            _n(self.width), _n(self.height), _n(self.width), printable(self.title)
        )
        words = escape(printable(self.description))
        inside = "".join(ElementTree.tostring(child, encoding="unicode") for child in self._root)
        return head + Markup("<desc>") + words + Markup("</desc>") + Markup(inside) + Markup("</svg>")

    def _add(self, tag: str, attributes: dict[str, str]) -> ElementTree.Element:
        return ElementTree.SubElement(self._open[-1], tag, attributes)


class _Group:
    """A group that is open during a `with` block."""

    def __init__(self, drawing: Drawing, tip: str, classes: str) -> None:
        self.drawing, self.tip = drawing, tip
        self.attributes = {"class": classes} if classes else {}

    def __enter__(self) -> None:
        group = self.drawing._add("g", self.attributes)
        if self.tip:
            ElementTree.SubElement(group, "title").text = printable(self.tip)
        self.drawing._open.append(group)

    def __exit__(self, *_: object) -> None:
        self.drawing._open.pop()


def standalone(figure: str) -> str:
    """A figure that was drawn for a page, as a file of its own: with the style sheet that its classes refer to."""
    head, _, rest = figure.partition(">")
    style = styled("page.css") + " svg { background: var(--page); font-family: Arial, sans-serif; }"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'{head} xmlns="http://www.w3.org/2000/svg">'
        f"<style>{style}</style>{rest}\n"
    )


def width_of(text: str) -> float:
    """Roughly how wide a text will be, rather too wide than too narrow: the reader's fonts are not known here."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    narrow = sum(c in "iljtfrI.,:;'|()[] -/" for c in text)
    large = sum(c.isupper() or c in "mw%@_=+<>\N{MINUS SIGN}" for c in text)
    return FONT * (wide + 0.34 * narrow + 0.72 * large + 0.57 * (len(text) - wide - narrow - large))


def shortened(text: str, room: float) -> str:
    """The text, with its middle left out if it is too wide for the room."""
    text = printable(text)
    if width_of(text) <= room + 0.5:  # rounding may make a label wider than the column that was made for it
        return text
    kept = len(text) - 1
    while kept > 2 and width_of(text[:kept]) > room - FONT:
        kept -= 1
    head = (kept + 1) // 2
    return f"{text[:head]}…{text[len(text) - (kept - head) :]}"


def room_for(labels: Sequence[str], most: float) -> float:
    """Width of a column for these labels."""
    return min(max((width_of(printable(label)) for label in labels), default=0.0), most)


def _n(number: float) -> str:
    """To a hundredth, without trailing zeros."""
    return f"{round(number, 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _dashed(dash: str) -> dict[str, str]:
    return {"stroke-dasharray": dash} if dash else {}


__all__ = ["FONT", "Anchor", "Drawing", "Point", "Style", "room_for", "shortened", "standalone", "width_of"]
