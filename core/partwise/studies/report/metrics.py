"""Variants by metrics: what each metric says of a variant, at the largest size where there are sizes."""

from __future__ import annotations

from collections.abc import Sequence

from partwise.rendering.text import printable
from partwise.studies.analysis.findings import Analysis, Contrast
from partwise.studies.analysis.ladder_findings import LadderFinding
from partwise.studies.results import Results

from .cells import Cell, Matrix, best_first, contrast_cell, ladder_cell

Found = dict[str, dict[str | None, Cell]]
"""Variant -> text (None: over all, or the only one) -> what is said."""


def metrics_matrix(results: Results, analysis: Analysis) -> Matrix:
    """Columns are metrics and, where texts are too few to be taken together, texts within them."""
    first = _found(analysis.ladder, analysis.over_texts or analysis.contrasts, results)
    found = [("", first)]
    found += [
        (printable(one.name), _found(one.ladder, one.over_texts or one.contrasts, results))
        for one in analysis.secondary
    ]
    found[0] = printable(results.metric.label), first
    texts = list(dict.fromkeys(text for of in first.values() for text in of))
    names = [(name, next(iter(of.values())).sort if of else None) for name, of in first.items()]
    order = best_first(names, results.metric.goal)
    single = texts in ([None], [])
    rows = tuple(
        (printable(name), tuple(of.get(name, {}).get(text, contrast_cell(None)) for _, of in found for text in texts))
        for name in order
    )
    columns = tuple(label if single else printable(text or "") for label, _ in found for text in texts)
    return Matrix(() if single else tuple((label, len(texts)) for label, _ in found), columns, rows)


def _found(ladder: Sequence[LadderFinding], contrasts: Sequence[Contrast], results: Results) -> Found:
    """By ladders where there are such; else by contrasts."""
    told: Found = {}
    if results.sizes:
        for one in ladder:
            told.setdefault(one.variant, {})[one.text] = ladder_cell(one)
        return told
    for c in contrasts:
        told.setdefault(c.variant, {})[c.text] = contrast_cell(c)
    return told


__all__ = ["metrics_matrix"]
