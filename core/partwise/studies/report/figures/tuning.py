"""How each variant took to the values that were tried in tuning."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from partwise.rendering.lines import MOST_TOGETHER, Panel, Series, panels
from partwise.rendering.svg import Point, Style
from partwise.rendering.text import plain
from partwise.studies.results import Results, Trial


def sensitivity(results: Results) -> Markup | None:
    """None if nothing was tuned, or no trial is done."""
    if not any(trial.metric is not None for trial in results.trials):
        return None
    values = _values(results.trials)
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    counted = len(numbers) == len(values) > 1
    logarithmic = counted and min(numbers) > 0 and max(numbers) >= 8 * min(numbers)
    names = () if counted else tuple(plain(value) for value in values)
    others = [variant.name for variant in results.variants if variant.name != results.baseline]
    lines = []
    for variant in results.variants:
        look = Style.of(-1 if variant.name == results.baseline else others.index(variant.name))
        lines.append(_line(results, variant.name, look, values, counted))
    shown = [one for one in lines if one.points]
    knob = results.tuned_knob or "the tuned knob"
    title = f"Sensitivity to {knob}"
    said = "; ".join(f"{one.name}: {', '.join(one.tips)}" for one in shown)
    if len(shown) > MOST_TOGETHER:
        heights = tuple(y for one in shown for _, y in one.points)
        drawn = [Panel(one.name, (one,), knob, names, logarithmic, heights) for one in shown]
        return panels(title, said, drawn, 4, 96, [])
    keys = [(one.name, one.look) for one in shown]
    return panels(title, said, [Panel(results.metric.label, tuple(shown), knob, names, logarithmic)], 1, 250, keys)


def lost_trials(results: Results) -> list[str]:
    """Trials without a figure: they are in no line of the picture."""
    return [
        f"{trial.variant} at {plain(trial.value)}, seed {trial.seed}: {trial.state}"
        for trial in results.trials
        if trial.state in ("diverged", "failed")
    ]


def _values(trials: Sequence[Trial]) -> list[object]:
    """The values tried, in order; unlike ones keep the order in which they were tried."""
    values: list[object] = []
    for trial in trials:
        if trial.value not in values:
            values.append(trial.value)
    if all(isinstance(value, int | float) for value in values):
        return sorted(values, key=lambda value: float(str(value)) if not isinstance(value, bool) else float(value))
    return values


def _line(results: Results, variant: str, look: Style, values: Sequence[object], counted: bool) -> Series:
    points: list[Point] = []
    tips: list[str] = []
    chosen = None
    tuned = next(one for one in results.variants if one.name == variant).tuned.get(results.tuned_knob or "")
    for number, value in enumerate(values):
        found = [
            trial.metric
            for trial in results.trials
            if trial.variant == variant and trial.value == value and trial.metric is not None
        ]
        if found:
            if tuned is not None and value == tuned:
                chosen = len(points)
            mean = sum(found) / len(found)
            points.append((float(str(value)) if counted else float(number), mean))
            tips.append(f"{variant} at {plain(value)}: {mean:.4g}{' (chosen)' if chosen == len(points) - 1 else ''}")
    return Series(variant, look, tuple(points), tuple(tips), chosen=chosen)


__all__ = ["lost_trials", "sensitivity"]
