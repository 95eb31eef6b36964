"""Tuning: how each variant's metric depends on the values that were tried, a panel for each knob.

A line goes through the values of a grid, each at its best with the other knobs. Draws at random have no two values
alike, and stay single points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from partwise.rendering.axes import within_reach
from partwise.rendering.lines import MOST_TOGETHER, Panel, Series, panels
from partwise.rendering.svg import Style
from partwise.rendering.text import plain
from partwise.studies.analysis.findings import Tuning
from partwise.studies.analysis.summaries import tuning
from partwise.studies.knobs import combination_words
from partwise.studies.results import Results

from .curves import variant_style


def sensitivity(results: Results) -> Markup | None:
    """None if nothing was tuned, or no trial is done."""
    lines = list(_lines(results))
    if not lines:
        return None
    knobs = list(dict.fromkeys(one.knob for one in lines))
    heights = _heights(results, lines)
    title = f"Sensitivity to {', '.join(knobs)}"
    said = "; ".join(f"{one.series.name}: {', '.join(one.series.tips)}" for one in lines)
    names = list(dict.fromkeys(one.series.name for one in lines))
    if len(names) > MOST_TOGETHER:
        drawn = [_panel(one.series.name, [one], heights) for name in names for one in lines if one.series.name == name]
        return panels(title, said, drawn, 4, 96, [])
    label = results.metric.label
    drawn = [_panel(label, [one for one in lines if one.knob == knob], heights) for knob in knobs]
    keys = [(one.series.name, one.series.style) for one in lines if one.knob == knobs[0]]
    columns = min(2, len(knobs))
    return panels(title, said, drawn, columns, 250 if columns == 1 else 210, keys)


@dataclass(frozen=True)
class _Line:
    """What one variant came to over the values of one knob."""

    knob: str
    axis: _Axis
    series: Series


def _panel(title: str, lines: Sequence[_Line], heights: tuple[float, ...]) -> Panel:
    axis, series = lines[0].axis, tuple(one.series for one in lines)
    return Panel(title, series, lines[0].knob, axis.names, axis.logarithmic, heights, arrows=True)


def _heights(results: Results, lines: Sequence[_Line]) -> tuple[float, ...]:
    """Without the values that training went out of hand at: they would make a straight line of all the others."""
    values = [y for one in lines for _, y in one.series.points]
    return within_reach(values, min(values) if results.metric.goal == "min" else max(values))


def far_trials(results: Results) -> list[str]:
    """The means that lie beyond the picture: `base at 0.1: 7.31`."""
    lines = list(_lines(results))
    if not lines:
        return []
    kept = _heights(results, lines)
    told = {
        tip: None
        for one in lines
        for (_, y), tip in zip(one.series.points, one.series.tips, strict=True)
        if not min(kept) <= y <= max(kept)
    }
    return list(told)


def points_told(results: Results) -> str:
    """What a point is, where there are several knobs; empty otherwise."""
    if any(results.tuned_knobs.values()):
        return "Each point is a draw, shown in the panel of every knob." if len(results.tuned_knobs) > 1 else ""
    return "Each point is the best with the other knobs." if len(results.tuned_knobs) > 1 else ""


def lost_trials(results: Results) -> list[str]:
    """Trials without a figure: they are in no line of the picture."""
    return [
        f"{trial.variant} at {combination_words(trial.values)}, seed {trial.seed}: {trial.state}"
        for trial in results.trials
        if trial.state in ("diverged", "failed")
    ]


@dataclass(frozen=True)
class _Axis:
    """The values that were tried of a knob, as the horizontal axis shows them."""

    values: tuple[object, ...]
    names: tuple[str, ...]
    """Of values that cannot be placed as numbers: they stand side by side; empty otherwise."""
    logarithmic: bool

    def place(self, value: object) -> float:
        return float(self.values.index(value)) if self.names else float(str(value))


def _axis(tried: Sequence[object], logarithmic: bool) -> _Axis:
    """Numbers in their order; values of any other kind in the order in which they were tried."""
    values: list[object] = []
    for value in tried:
        if value not in values:
            values.append(value)
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) == len(values):
        values = [*sorted(numbers)]
    if len(numbers) < len(values) or len(values) == 1 or any(isinstance(value, bool) for value in values):
        return _Axis(tuple(values), tuple(plain(value) for value in values), logarithmic=False)
    wide = min(numbers) > 0 and (logarithmic or max(numbers) >= 8 * min(numbers))
    return _Axis(tuple(values), (), logarithmic=wide)


def _lines(results: Results) -> Iterator[_Line]:
    """Of every knob and variant that a trial is done of."""
    rows = tuning(results)
    if not any(one.mean is not None for one in rows):
        return
    for knob in rows[0].values:
        drawn = results.tuned_knobs.get(knob)
        axis = _axis([one.values[knob] for one in rows], logarithmic=drawn is not None and drawn.log)
        single = any(results.tuned_knobs.values())
        for variant in results.variants:
            own = [one for one in rows if one.variant == variant.name and one.mean is not None]
            shown = own if single else _best_at_each(own, knob, axis, results)
            if shown:
                style = variant_style(results, variant.name)
                yield _Line(knob, axis, replace(_series(shown, knob, axis, style), joined=not single))


def _best_at_each(rows: Sequence[Tuning], knob: str, axis: _Axis, results: Results) -> list[Tuning]:
    """At each value of a knob the best combination with it, of those without a lost trial if there are any."""
    found = []
    sign = 1 if results.metric.goal == "min" else -1
    for value in axis.values:
        at = [one for one in rows if one.values[knob] == value]
        whole = [one for one in at if one.done == one.trials] or at
        if whole:
            found.append(min(whole, key=lambda one: sign * (one.mean or 0.0)))
    return found


def _series(rows: Sequence[Tuning], knob: str, axis: _Axis, style: Style) -> Series:
    """The chosen combination is ringed."""
    order = sorted(rows, key=lambda one: axis.place(one.values[knob]))
    tips = tuple(
        f"{one.variant} at {combination_words(one.values)}: {one.mean:.4g}{' (chosen)' if one.chosen else ''}"
        for one in order
    )
    points = tuple((axis.place(one.values[knob]), one.mean or 0.0) for one in order)
    chosen = next((number for number, one in enumerate(order) if one.chosen), None)
    return Series(rows[0].variant, style, points, tips, chosen=chosen)


__all__ = ["far_trials", "lost_trials", "points_told", "sensitivity"]
