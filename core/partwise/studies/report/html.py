"""The report as one HTML file: it loads nothing, and its policy forbids it to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from partwise.rendering import numbers
from partwise.rendering.page import environment, policy, styled
from partwise.rendering.text import flat, printable
from partwise.studies.analysis.findings import Contrast, SecondaryFinding
from partwise.studies.analysis.grid_sentences import company_of
from partwise.studies.analysis.ladder_findings import LadderFinding
from partwise.studies.stamp import META, runs_told
from partwise.wording import joined

from . import figures
from .cells import Cell, contrast_cell, ladder_row, symbols_told
from .report import Report
from .rows import SURVIVORS, SYMBOLS, EffectRow, VariantRow
from .told import Told
from .whole import WholeReport


def html(report: Report) -> str:
    """The whole page, with its style, script and figures."""
    return _page("report.html", report, _figures(report))


def whole_html(report: WholeReport) -> str:
    """The page of a study with sizes or texts."""
    return _page("whole.html", report, _whole_figures(report))


def _page(template: str, report: Told, drawn: dict[str, Any]) -> str:
    templates = environment("partwise.studies.report")
    templates.globals |= {
        "n": numbers,
        "joined": joined,
        "symbols": SYMBOLS,
        "survivors": SURVIVORS,
        "breakable": _breakable,
    }
    style, script = styled("page.css"), styled("page.js")
    page = templates.get_template(template).render(
        report=report,
        style=Markup(style),
        script=Markup(script),
        policy=policy(script),
        provenance=flat(report.results.provenance),
        stamp=(META, f"{report.results.digest}, {runs_told(report.results)}"),
        key=symbols_told(sizes=bool(report.results.sizes)),
        **{"secondary_panels": []} | drawn,
    )
    return page + "\n"


def _breakable(name: str) -> Markup:
    """A name that may go on in another line after each sign that joins its words."""
    return Markup("=<wbr>").join(name.split("="))


def _whole_figures(report: WholeReport) -> dict[str, Any]:
    """Panels with what stands above each, and the pictures over all variants."""
    analysis, band = report.analysis, report.results.metric.smallest_effect
    sizes = figures.by_size(report.ladder, analysis.contrasts)
    texts = [] if report.results.sizes else figures.by_text(report.names, analysis.contrasts, analysis.over_texts)
    last = {one.variant: one.contrasts[-1].verdict for one in analysis.ladder}
    verdicts = {v.name: last.get(v.name, "no verdict") for v in report.results.variants}
    return {
        "size_panels": _panels(sizes, [*analysis.ladder], analysis.over_texts, band),
        "size_beyond": figures.beyond(sizes, band),
        "bars": figures.speed_up_bars(report.ladder),
        "compute": figures.against_compute(report.results, analysis.curves, verdicts),
        "text_panels": _panels(texts, [], analysis.over_texts, band),
        "text_beyond": figures.beyond(texts, band),
        "secondary_panels": [_secondary_panels(report, one) for one in analysis.secondary],
    }


def _secondary_panels(report: WholeReport, found: SecondaryFinding) -> list[tuple[_Head, Markup]]:
    """The same panels as of the primary metric."""
    rows = report.in_order(found.ladder)
    sizes = figures.by_size(rows, found.contrasts)
    drawn = sizes if report.results.sizes else figures.by_text(report.names, found.contrasts, found.over_texts)
    named = [replace(one, name=f"{one.name}, {found.name}") for one in drawn]
    panels = _panels(drawn, found.ladder, found.over_texts, None)
    again = figures.multiples(named, found.metric.smallest_effect)
    return [(head, drawing) for (head, _), drawing in zip(panels, again, strict=True)]


def _panels(
    drawn: Sequence[figures.Multiple],
    ladder: Sequence[LadderFinding],
    over: Sequence[Contrast],
    band: float | None,
) -> list[tuple[_Head, Markup]]:
    """Each drawing with what stands above it: over the sizes, or over all texts where there are none."""
    rows = {row.title: row.verdict for row in map(ladder_row, ladder)}
    said = rows or {printable(c.variant): contrast_cell(c) for c in over}
    heads = [_Head.of(one.name, said.get(one.name)) for one in drawn]
    return [*zip(heads, figures.multiples(drawn, band), strict=True)]


@dataclass(frozen=True)
class _Head:
    """What stands above a panel."""

    name: str
    verdict: str
    symbol: str
    style: str

    @classmethod
    def of(cls, name: str, cell: Cell | None) -> _Head:
        return cls(name, "", "", "") if cell is None else cls(name, cell.verdict, cell.symbol, cell.style)


def _figures(report: Report) -> dict[str, Any]:
    results = report.results
    shown = any(row.summary.done for row in report.rows)
    rows = [
        _forest_row(row, company_of(results, row.contrast))
        for row in report.rows
        if row.contrast and row.contrast.difference is not None
    ]
    axis = f"difference in {results.metric.label} from {results.baseline}"
    band = results.metric.smallest_effect
    effects, effect_axis = [_effect(one) for one in report.effects], f"effect on {results.metric.label}"
    return {
        "forest": figures.forest(rows, "Differences from the baseline", axis, band, report.sides) if rows else None,
        "narrow": figures.narrow_forest(rows, "Differences from the baseline", axis, band, report.sides)
        if rows
        else None,
        "beyond": figures.off_scale(rows, band) if rows else [],
        "seeds": figures.seed_lines(results, {r.variant.name: r.summary.sd for r in report.rows}) if shown else None,
        "curves": figures.learning_curves(results),
        "tuning": figures.sensitivity(results),
        "tuning_points": figures.points_told(results),
        "far_trials": figures.far_trials(results),
        "lost_trials": figures.lost_trials(results),
        "interactions": figures.interactions(results) if results.design == "grid" else None,
        "effects": figures.forest(effects, "Effects", effect_axis, band, report.sides) if effects else None,
        "narrow_effects": figures.narrow_forest(effects, "Effects", effect_axis, band, report.sides)
        if effects
        else None,
    }


def _forest_row(row: VariantRow, company: str) -> figures.ForestRow:
    """`company`: in a grid, the levels of the other factors, with which alone this difference was seen."""
    c = row.contrast
    assert c is not None
    label = f"{c.level} {company}".strip() if c.factor else row.name
    text = f"{row.difference} {row.interval}" if c.low is not None else row.difference
    return figures.ForestRow(
        label, c.factor or "several factors", c.difference, c.low, c.high, c.differences, text, c.verdict, row.details
    )


def _effect(one: EffectRow) -> figures.ForestRow:
    e, text = one.effect, f"{one.estimate} {one.interval}"
    tip = f"{text}, p {one.p}, {one.verdict}"
    return figures.ForestRow(one.name, f"{one.kind}s", e.estimate, e.low, e.high, (), text, one.verdict, tip)


__all__ = ["html", "whole_html"]
