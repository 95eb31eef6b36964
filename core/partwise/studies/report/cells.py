"""What stands at a glance in the tables of a study with sizes, texts or several metrics: every cell in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from partwise.rendering import numbers
from partwise.rendering.text import printable
from partwise.studies.analysis.findings import Contrast
from partwise.studies.analysis.ladder_findings import LadderFinding, SpeedUp
from partwise.studies.results import Goal, at_setting

from .rows import SYMBOLS, WITHOUT_SPREAD

LADDER_SYMBOLS = {
    "holds": "", "grows": "↗", "fades": "↘", "reverses": "⇅", "equivalent": "=", "inconclusive": "?", "no verdict": "·",
}  # fmt: skip
"""Of what holds: the symbol of its direction."""


@dataclass(frozen=True)
class Cell:
    """What one place says of a variant."""

    verdict: str
    """`better`, `holds` ...; empty where nothing is known."""
    colour: str
    """The verdict whose colour it bears."""
    symbol: str
    difference: str = ""
    interval: str = ""
    tip: str = ""
    sort: float | None = None

    @property
    def style(self) -> str:
        """Its class in the page."""
        return f"v-{self.colour.replace(' ', '-')}" if self.colour else ""


@dataclass(frozen=True)
class Matrix:
    """Variants as rows, places as columns."""

    groups: tuple[tuple[str, int], ...]
    """Headings over several columns, each with how many; empty without such."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class LadderRow:
    """A variant over the sizes."""

    finding: LadderFinding
    name: str
    text: str
    """`on wiki`; empty where there is one text, or where it is about all of them."""
    verdict: Cell
    cells: tuple[Cell, ...]
    """At each size."""
    slope: Cell
    speed_up: Cell

    @property
    def title(self) -> str:
        """`position=rope on wiki`."""
        return f"{self.name} {self.text}".strip()


def ladder_row(found: LadderFinding) -> LadderRow:
    """All that the table says of a variant."""
    name = printable(found.variant)
    text = "" if found.text is None else f"on {printable(found.text)}"
    cells = tuple(contrast_cell(c) for c in found.contrasts)
    return LadderRow(found, name, text, ladder_cell(found), cells, _slope(found), _speed_up(found.speed_up))


def ladder_cell(found: LadderFinding) -> Cell:
    """The verdict over all sizes, with the difference at the largest."""
    colour: str = found.direction or ("equivalent" if found.verdict == "equivalent" else "")
    if found.verdict in ("inconclusive", "no verdict"):
        colour = found.verdict
    symbol = LADDER_SYMBOLS[found.verdict] or SYMBOLS[found.direction or "baseline"]
    last = contrast_cell(found.contrasts[-1])
    word = f"{found.direction}, {found.verdict}" if found.verdict in ("holds", "grows", "fades") else found.verdict
    tip = f"{printable(found.variant)}: {word}; at {last.tip}" if last.tip else f"{printable(found.variant)}: {word}"
    return Cell(word, colour, symbol, last.difference, last.interval, tip, last.sort)


def contrast_cell(c: Contrast | None) -> Cell:
    """A difference with its verdict."""
    if c is None:
        return Cell("", "", "")
    without = next((words for kind, words in WITHOUT_SPREAD.items() if c.has(kind)), "")
    half = None if c.low is None or c.high is None else (c.high - c.low) / 2
    places = numbers.decimals(half, c.difference)
    difference = "0" if c.has("no_difference", "rounding") else numbers.signed(c.difference, places)
    interval = without or ("" if c.low is None else numbers.interval(c.low, c.high, places))
    where = printable((at_setting(c.size, c.text) or " ").strip().removeprefix("at "))
    told = f"{difference} {interval}".strip()
    p = "" if c.p_adjusted is None or without else f", adjusted p {numbers.p_value(c.p_adjusted)}"
    tip = f"{printable(c.variant)}{f' at {where}' if where else ''}: {told}{p}, {c.verdict}"
    return Cell(c.verdict, c.verdict, SYMBOLS[c.verdict], difference, interval, tip, c.difference)


def _slope(found: LadderFinding) -> Cell:
    s = found.slope
    if s is None:
        return Cell("", "", "", numbers.NONE)
    places = numbers.decimals((s.high - s.low) / 2, s.estimate)
    interval = numbers.interval(s.low, s.high, places)
    word = found.trend or ("changes" if found.steep else "")
    tip = f"adjusted p {numbers.p_value(s.p_adjusted)}, over {s.units}"
    return Cell(word, "", "", numbers.signed(s.estimate, places), interval, tip, s.estimate)


def _speed_up(s: SpeedUp | None) -> Cell:
    if s is None:
        return Cell("", "", "", numbers.NONE)
    low = f"<{numbers.factor(s.least)}" if s.low is None else numbers.factor(s.low)
    high = f">{numbers.factor(s.most)}" if s.high is None else numbers.factor(s.high)
    factor = f">{numbers.factor(s.most)}" if s.beyond == "more" else f"<{numbers.factor(s.least)}"
    told = factor if s.factor is None else numbers.factor(s.factor)
    sort = s.factor if s.factor is not None else s.most if s.beyond == "more" else s.least
    return Cell("", "", "", f"{told}×", f"[{low}, {high}]", f"at {s.size}: {told} times, {low} to {high}", sort)


def symbols_told(*, sizes: bool) -> str:
    """What the symbols of the tables mean."""
    told = [f"{symbol} {verdict}" for verdict, symbol in SYMBOLS.items() if symbol]
    told += [f"{LADDER_SYMBOLS[one]} {one}" for one in ("grows", "fades", "reverses")] if sizes else []
    return f"{', '.join(told)}."


def best_first(found: Sequence[tuple[str, float | None]], goal: Goal) -> list[str]:
    """Names by their differences, the best first; those without one last."""
    sign = 1 if goal == "min" else -1
    return [name for name, _ in sorted(found, key=lambda one: (one[1] is None, sign * (one[1] or 0.0)))]


__all__ = [
    "LADDER_SYMBOLS",
    "Cell",
    "LadderRow",
    "Matrix",
    "best_first",
    "contrast_cell",
    "ladder_cell",
    "ladder_row",
    "symbols_told",
]
