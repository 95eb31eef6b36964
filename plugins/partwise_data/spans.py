"""Span corruption: stretches of a text are left out, each with a sentinel in its place, and are to be written.

Raffel et al., "Exploring the limits of transfer learning with a unified text-to-text transformer" (2020),
arXiv:1910.10683. As there, the share left out and the mean length of what is left out decide how many spans there are;
their lengths, and those of what is kept between, are drawn. A span may stand anywhere, the beginning included.
"""

from __future__ import annotations

from dataclasses import dataclass

from partwise.data import Piece

from .drawing import Draw
from .rewriting import Unit, units_of


def spans_in(length: int, density: float, mean: float) -> tuple[int, int]:
    """How many of `length` units are left out, and in how many spans."""
    noise = min(max(round(length * density), 1), max(length - 1, 1))
    return noise, min(max(round(noise / mean), 1), noise, length - noise + 1)


@dataclass(frozen=True)
class SpanCorruption:
    """A source with sentinels, and a target of what stood there: each span after its sentinel, then one sentinel more.

    `sentinel` has {} for the number of the span, from 0.
    """

    density: float
    mean: float
    unit: Unit
    sentinel: str

    closes = True

    def rewrite(self, text: str, draw: Draw) -> tuple[Piece, ...]:
        units = units_of(text, self.unit)
        noise, count = spans_in(len(units), self.density, self.mean)
        lengths = _parts(noise - count, count, draw)
        gaps = _parts(len(units) - noise - (count - 1), count + 1, draw)
        source, target, place = list[Piece](), list[Piece](), 0
        for number in range(count):
            kept = gaps[number] + (number > 0)  # something stands between two spans
            left_out = place + kept + lengths[number] + 1
            source.append(Piece("".join(units[place : place + kept]), scored=False))
            source.append(self._mark(number, scored=False))
            target += [self._mark(number), Piece("".join(units[place + kept : left_out]))]
            place = left_out
        source.append(Piece("".join(units[place:]), scored=False))
        target.append(self._mark(count))
        return tuple(piece for piece in (*source, *target) if piece.text)

    def _mark(self, number: int, scored: bool = True) -> Piece:
        return Piece(self.sentinel.format(number), scored, special=True)


def _parts(total: int, count: int, draw: Draw) -> list[int]:
    """`total` as a sum of `count` numbers from 0, each such sum as likely as any other."""
    bars = sorted(draw.sample(range(total + count - 1), count - 1))
    return [after - before - 1 for before, after in zip([-1, *bars], [*bars, total + count - 1], strict=True)]


__all__ = ["SpanCorruption", "spans_in"]
