"""A variant's difference from the baseline at every size, against compute: how it lasts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from partwise.rendering.svg import Point
from partwise.studies.analysis.findings import Contrast
from partwise.studies.analysis.ladder_findings import LadderFinding
from partwise.studies.report.cells import LadderRow

from .multiples import Multiple, Place


def by_size(rows: Sequence[LadderRow], contrasts: Sequence[Contrast]) -> list[Multiple]:
    """One for each row of the ladder's table; none where no size has a figure.

    Args:
        contrasts: of every setting, which stand behind what is said over all texts.
    """
    shown = [row for row in rows if any(c.difference is not None for c in row.finding.contrasts)]
    return [_multiple(row, [c for c in contrasts if c.variant == row.finding.variant]) for row in shown]


def _multiple(row: LadderRow, contrasts: Sequence[Contrast]) -> Multiple:
    found = row.finding
    along = _along(found)
    labels = _told_apart([c.size or "" for c in found.contrasts])
    places = tuple(map(Place, labels, along, found.contrasts, (cell.tip for cell in row.cells)))
    said = "; ".join(cell.tip for cell in row.cells)
    slope = f" With ten times the compute: {row.slope.difference} {row.slope.interval}." if found.slope else ""
    words = f"{row.verdict.verdict}. {said}.{slope}"
    behind = _behind(found, along, contrasts) if found.contrasts[0].unit == "text" else ()
    return Multiple(row.title, words, places, _trend(found, along), found.steep, behind=behind)


def _behind(
    found: LadderFinding, along: Sequence[float], contrasts: Sequence[Contrast]
) -> tuple[tuple[Point, ...], ...]:
    """A line for each text, through the sizes that have a figure."""
    places = dict(zip((c.size for c in found.contrasts), along, strict=True))
    texts = dict.fromkeys(c.text for c in contrasts)
    return tuple(
        tuple((places[c.size], c.difference) for c in contrasts if c.text == text and c.difference is not None)
        for text in texts
    )


def _told_apart(sizes: Sequence[str]) -> list[str]:
    """Names without the words with which all begin: `width 32` and `width 48` are `32` and `48`."""
    words = [size.split(" ") for size in sizes]
    same = 0
    while all(len(one) > same + 1 and one[same] == words[0][same] for one in words):
        same += 1
    return [" ".join(one[same:]) for one in words]


def _along(found: LadderFinding) -> list[float]:
    """Decades of compute; side by side where compute does not tell the sizes apart."""
    if min(found.compute) <= 0 or len(set(found.compute)) < len(found.compute):
        return [float(number) for number in range(len(found.compute))]
    return [math.log10(compute) for compute in found.compute]


def _trend(found: LadderFinding, along: Sequence[float]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The line that the slope is of, from the smallest size to the largest."""
    differences = [c.difference for c in found.contrasts if c.difference is not None]
    if found.slope is None or len(differences) < len(along):
        return None
    middle, height = sum(along) / len(along), sum(differences) / len(along)
    first, last = along[0], along[-1]
    return tuple((x, height + found.slope.estimate * (x - middle)) for x in (first, last))  # type: ignore[return-value]


__all__ = ["by_size"]
