"""The report as one HTML file: it loads nothing, and its policy forbids it to."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from partwise.rendering import numbers
from partwise.rendering.page import environment, policy, styled
from partwise.rendering.text import flat
from partwise.studies.analysis.grid_sentences import company_of
from partwise.studies.stamp import META, runs_told
from partwise.wording import joined

from . import figures
from .report import Report
from .rows import SURVIVORS, SYMBOLS, EffectRow, VariantRow


def html(report: Report) -> str:
    """The whole page, with its style, script and figures."""
    templates = environment("partwise.studies.report")
    templates.globals |= {"n": numbers, "joined": joined, "symbols": SYMBOLS, "survivors": SURVIVORS}
    style, script = styled("page.css"), styled("page.js")
    page = templates.get_template("report.html").render(
        report=report,
        style=Markup(style),
        script=Markup(script),
        policy=policy(script),
        provenance=flat(report.results.provenance),
        stamp=(META, f"{report.results.digest}, {runs_told(report.results)}"),
        **_figures(report),
    )
    return page + "\n"


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


__all__ = ["html"]
