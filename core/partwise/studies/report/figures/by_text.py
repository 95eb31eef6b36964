"""A variant's difference from the baseline on every text, beside what is said over all of them."""

from __future__ import annotations

from collections.abc import Sequence

from partwise.rendering.text import printable
from partwise.studies.analysis.findings import Contrast
from partwise.studies.report.cells import contrast_cell

from .multiples import Multiple, Place


def by_text(names: Sequence[str], contrasts: Sequence[Contrast], over: Sequence[Contrast]) -> list[Multiple]:
    """One for each variant of which a text has a figure."""
    found: dict[str, list[Contrast]] = {name: [] for name in names}
    for c in contrasts:
        found[c.variant].append(c)
    overall = {c.variant: c for c in over}
    return [_multiple(name, of, overall.get(name)) for name, of in found.items() if any(c.difference for c in of)]


def _multiple(name: str, contrasts: Sequence[Contrast], overall: Contrast | None) -> Multiple:
    places = tuple(
        Place(printable(c.text or ""), float(number), c, contrast_cell(c).tip) for number, c in enumerate(contrasts)
    )
    said = [*([f"over all texts {contrast_cell(overall).tip}"] if overall else []), *(one.tip for one in places)]
    return Multiple(printable(name), f"{'; '.join(said)}.", places, overall=overall)


__all__ = ["by_text"]
