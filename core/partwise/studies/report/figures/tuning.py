"""Tuning: how each variant's metric depends on the values that were tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from partwise.rendering.axes import within_reach
from partwise.rendering.lines import MOST_TOGETHER, Panel, Series, panels
from partwise.rendering.svg import Point
from partwise.rendering.text import plain
from partwise.studies.results import Results, Trial, Variant

from .curves import variant_style


def sensitivity(results: Results) -> Markup | None:
    """None if nothing was tuned, or no trial is done."""
    if not any(trial.metric is not None for trial in results.trials):
        return None
    axis = _axis(results.trials)
    lines = [_line(results, variant, axis) for variant in results.variants]
    shown = [one for one in lines if one.points]
    knob = results.tuned_knob or "the tuned knob"
    title = f"Sensitivity to {knob}"
    said = "; ".join(f"{one.name}: {', '.join(one.tips)}" for one in shown)
    heights = _heights(results, shown)
    if len(shown) > MOST_TOGETHER:
        drawn = [Panel(one.name, (one,), knob, axis.names, axis.logarithmic, heights, arrows=True) for one in shown]
        return panels(title, said, drawn, 4, 96, [])
    keys = [(one.name, one.style) for one in shown]
    panel = Panel(results.metric.label, tuple(shown), knob, axis.names, axis.logarithmic, heights, arrows=True)
    return panels(title, said, [panel], 1, 250, keys)


def _heights(results: Results, shown: Sequence[Series]) -> tuple[float, ...]:
    """Without the values that training went out of hand at: they would make a straight line of all the others."""
    values = [y for one in shown for _, y in one.points]
    return within_reach(values, min(values) if results.metric.goal == "min" else max(values))


def far_trials(results: Results) -> list[str]:
    """The means that lie beyond the picture: `base at 0.1: 7.31`."""
    if not any(trial.metric is not None for trial in results.trials):
        return []
    axis = _axis(results.trials)
    lines = [one for one in (_line(results, variant, axis) for variant in results.variants) if one.points]
    kept = _heights(results, lines)
    return [
        tip
        for one in lines
        for (_, y), tip in zip(one.points, one.tips, strict=True)
        if not min(kept) <= y <= max(kept)
    ]


def lost_trials(results: Results) -> list[str]:
    """Trials without a figure: they are in no line of the picture."""
    return [
        f"{trial.variant} at {plain(trial.value)}, seed {trial.seed}: {trial.state}"
        for trial in results.trials
        if trial.state in ("diverged", "failed")
    ]


@dataclass(frozen=True)
class _Axis:
    """The values that were tried, as the horizontal axis shows them."""

    values: tuple[object, ...]
    names: tuple[str, ...]
    """Of values that cannot be placed as numbers: they stand side by side; empty otherwise."""
    logarithmic: bool

    def place(self, number: int) -> float:
        return float(number) if self.names else float(str(self.values[number]))


def _axis(trials: Sequence[Trial]) -> _Axis:
    """Numbers in their order; values of any other kind in the order in which they were tried."""
    values: list[object] = []
    for trial in trials:
        if trial.value not in values:
            values.append(trial.value)
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) == len(values):
        values = [*sorted(numbers)]
    if len(numbers) < len(values) or len(values) == 1 or any(isinstance(value, bool) for value in values):
        return _Axis(tuple(values), tuple(plain(value) for value in values), logarithmic=False)
    return _Axis(tuple(values), (), logarithmic=min(numbers) > 0 and max(numbers) >= 8 * min(numbers))


def _line(results: Results, variant: Variant, axis: _Axis) -> Series:
    """The variant's mean over the trials at each value; the value that was chosen is ringed."""
    points: list[Point] = []
    tips: list[str] = []
    chosen = None
    tuned = variant.tuned.get(results.tuned_knob or "")
    for number, value in enumerate(axis.values):
        metrics = _metrics(results.trials, variant.name, value)
        if metrics:
            mean = sum(metrics) / len(metrics)
            tips.append(f"{variant.name} at {plain(value)}: {mean:.4g}")
            if tuned is not None and value == tuned:
                chosen = len(points)
                tips[-1] += " (chosen)"
            points.append((axis.place(number), mean))
    return Series(variant.name, variant_style(results, variant.name), tuple(points), tuple(tips), chosen=chosen)


def _metrics(trials: Sequence[Trial], variant: str, value: object) -> list[float]:
    return [t.metric for t in trials if t.variant == variant and t.value == value and t.metric is not None]


__all__ = ["far_trials", "lost_trials", "sensitivity"]
