"""A module's flow of data as a drawing: from the inputs above to the output below, with what skips a part beside it."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from partwise.rendering.svg import Drawing, Point, shortened, width_of

from .dataflow import Flowing, Node

HIGH, TALL, GAP, LANE, EDGE = 34.0, 24.0, 20.0, 16.0, 8.0
"""Heights of a child and of an operation; between two rows; between two lines beside the column; about the drawing."""
WIDEST = 190.0
"""Of a child's box."""
MOST = 22
"""Nodes that can be drawn so that one sees something."""


def can_be_drawn(flow: Flowing) -> bool:
    """Whether there is something to see, and not too much."""
    steps = sum(bool(node.sources) for node in flow.nodes) - 1
    rows = _rows(flow)
    return steps >= 2 and len(flow.nodes) <= MOST and max(map(rows.count, rows)) <= 4


def diagram(flow: Flowing, title: str, description: str) -> Markup:
    """The drawing."""
    return _Diagram(flow).drawn(title, description)


def _rows(flow: Flowing) -> list[int]:
    """The row of each node: below all that it reads; an input stands just above the first that reads it."""
    rows: list[int] = []
    for node in flow.nodes:
        rows.append(1 + max((rows[source] for source in node.sources), default=-1))
    for index, node in enumerate(flow.nodes):
        readers = [rows[reader] for reader, one in enumerate(flow.nodes) if index in one.sources]
        if not node.sources and readers:
            rows[index] = min(readers) - 1
    return rows


class _Diagram:
    """Where everything stands."""

    def __init__(self, flow: Flowing) -> None:
        self.flow, self.rows = flow, _rows(flow)
        widths = [_width(node) for node in flow.nodes]
        across = [[index for index, row in enumerate(self.rows) if row == one] for one in range(max(self.rows) + 1)]
        self.column = max(sum(widths[index] + GAP for index in row) - GAP for row in across)
        self.places: list[Point] = [(0.0, 0.0)] * len(flow.nodes)
        for number, row in enumerate(across):
            x = EDGE + (self.column - sum(widths[index] + GAP for index in row) + GAP) / 2
            for index in row:
                self.places[index] = (x + widths[index] / 2, EDGE + HIGH / 2 + number * (HIGH + GAP))
                x += widths[index] + GAP
        self.widths, self.height = widths, 2 * EDGE + len(across) * (HIGH + GAP) - GAP
        self.lanes = self._lanes()

    def _edges(self) -> Iterator[tuple[int, int]]:
        for index, node in enumerate(self.flow.nodes):
            for source in node.sources:
                yield source, index

    def _lanes(self) -> dict[tuple[int, int], int]:
        """The line beside the column that each edge takes which passes by a row; short ones are nearest."""
        taken: list[list[tuple[int, int]]] = []
        found = {}
        passing = [edge for edge in self._edges() if self.rows[edge[1]] - self.rows[edge[0]] > 1]
        for source, index in sorted(passing, key=lambda edge: self.rows[edge[1]] - self.rows[edge[0]]):
            span = (self.rows[source], self.rows[index])
            lane = next((at for at, spans in enumerate(taken) if all(_apart(span, one) for one in spans)), len(taken))
            if lane == len(taken):
                taken.append([])
            taken[lane].append(span)
            found[source, index] = lane
        return found

    def drawn(self, title: str, description: str) -> Markup:
        beside = LANE * (1 + max(self.lanes.values(), default=-1))
        drawing = Drawing(2 * EDGE + self.column + beside, self.height, title, description)
        for source, index in self._edges():
            self._edge(drawing, source, index)
        for node, place, width in zip(self.flow.nodes, self.places, self.widths, strict=True):
            _node(drawing, node, place, width, bool(node.sources) and node is not self.flow.nodes[-1])
        return drawing.markup()

    def _edge(self, drawing: Drawing, source: int, index: int) -> None:
        (x, y), (to, down) = self.places[source], self.places[index]
        above, below = _half(self.flow.nodes[source]), _half(self.flow.nodes[index])
        if (source, index) not in self.lanes:
            drawing.polyline([(x, y + above), (to, down - below - 5)], "thin edge")
            drawing.area([(to - 4, down - below - 7), (to + 4, down - below - 7), (to, down - below)], "arrow edge")
            return
        lane = EDGE + self.column + LANE * (0.6 + self.lanes[source, index])
        # Out of the lower half of the one and into the upper half of the other: two lines never share a place.
        out, into = y + above * 0.4, down - below * 0.4
        begin, end = x + self._side(source), to + self._side(index)
        drawing.polyline([(begin, out), (lane, out), (lane, into), (end + 5, into)], "thin edge")
        drawing.area([(end + 7, into - 4), (end + 7, into + 4), (end, into)], "arrow edge")

    def _side(self, index: int) -> float:
        return self.widths[index] / 2


def _apart(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[1] <= other[0] or other[1] <= one[0]


def _half(node: Node) -> float:
    return (HIGH if node.is_child else TALL) / 2


def _width(node: Node) -> float:
    texts = [node.label, node.about] if node.is_child else [node.label]
    return min(WIDEST, max(TALL, max(map(width_of, texts)) + 18))


def _node(drawing: Drawing, node: Node, place: Point, width: float, boxed: bool) -> None:
    (x, y), half = place, _half(node)
    if boxed:
        drawing.box(x - width / 2, y - half, width, 2 * half, "child" if node.is_child else "operation")
    label, about = (shortened(text, width - 12) for text in (node.label, node.about))
    if node.is_child:
        drawing.text((x, y - 7), label, "label", "middle")
        drawing.text((x, y + 8), about, "tick", "middle")
    else:
        drawing.text((x, y), label, "label" if boxed else "heading", "middle")


__all__ = ["can_be_drawn", "diagram"]
