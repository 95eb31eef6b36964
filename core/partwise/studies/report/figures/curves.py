"""Learning curves: the mean over seeds with a band from the lowest to the highest, and how the differences evolve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from partwise.metric_names import judged
from partwise.rendering.axes import within_reach
from partwise.rendering.lines import MOST_TOGETHER, Panel, Series, panels
from partwise.rendering.svg import Point, Style
from partwise.studies.results import Outcome, Results
from partwise.wording import joined

EARLY = 0.1
"""Share of the steps, at the beginning, that does not decide the range of the curves' axis."""
EARLY_APART = 0.25
"""The same for the differences, which are wild at first."""
CAPTION = (
    "Means over seeds; bands reach from the lowest to the highest. "
    "The vertical axis is scaled without the first tenth of the steps"
)


@dataclass(frozen=True)
class Curves:
    """The drawing, and what a reader must know to read it."""

    drawing: Markup
    caption: str


def learning_curves(results: Results) -> Curves | None:
    """None if no run was evaluated twice."""
    curves = [_curve(results, name, variant_style(results, name)) for name in _names(results)]
    shown = [one for one in curves if len(one.points) > 1]
    if not shown:
        return None
    if len(shown) > MOST_TOGETHER:
        caption = f"{CAPTION}, for each panel by itself; steps run from left to right.{_ends_elsewhere(results)}"
        return Curves(_one_by_one(results, shown), caption)
    heights = _heights(results, shown)
    broken = [one for name in _names(results) for one in _broken(results, name)]
    keys = [(one.name, one.style) for one in shown]
    # Evaluations in training are on the valid split, at the length trained on, whatever the metric is.
    split = "" if judged(results.metric.name) else " (valid)"
    while_training = f"{(results.metric.of or results.metric.name).replace('_', ' ')} while training{split}"
    drawn = [Panel(while_training, (*broken, *shown), "step", heights=heights)]
    apart = _apart(results)
    if apart:
        late = within_reach(_late([point for one in apart for point in one.points], EARLY_APART), 0.0)
        band = 0.0 if results.metric.amount else results.metric.smallest_effect or 0.0
        drawn.append(Panel(f"difference from {results.baseline}", apart, "step", heights=late, band=band))
    caption = (
        f"{CAPTION}; that of the differences, which are paired by seed, without the first quarter."
        if apart
        else f"{CAPTION}."
    )
    caption += _beyond(shown, heights)
    caption += " Dotted: runs that did not finish, as far as they are within the figure." if broken else ""
    caption += _ends_elsewhere(results)
    return Curves(panels("Learning curves", _description(shown), drawn, len(drawn), 250, keys), caption)


def _ends_elsewhere(results: Results) -> str:
    """Why a curve does not end at the figure in the table, where it does not."""
    ends = [(run.curve[-1][1], run.metric) for run in results.outcomes if run.metric is not None and run.curve]
    if results.metric.amount or all(abs(end - metric) <= 1e-6 * abs(metric) for end, metric in ends):
        return ""
    m = results.metric
    texts = f"all of the {m.split} split" if m.batches is None else f"{m.batches} batches of the {m.split} split"
    length = "" if m.context is None else f", in sequences of {m.context} tokens"
    return (
        " Curves may end elsewhere than the table: while training, models are evaluated on as many batches of the "
        "valid split as their trainer's evaluate_batches says; the table is measured after the last update, on "
        f"{texts}{length}."
    )


def _names(results: Results) -> list[str]:
    return [variant.name for variant in results.variants]


def variant_style(results: Results, name: str) -> Style:
    """How a variant is drawn, the same in every figure whose lines are variants."""
    others = [one for one in _names(results) if one != results.baseline]
    return Style.of(-1 if name == results.baseline else others.index(name))


def _curve(results: Results, name: str, style: Style) -> Series:
    """Over the steps at which every run that is done was evaluated."""
    runs = [dict(outcome.curve) for outcome in results.of(name) if outcome.state == "done" and outcome.curve]
    steps = sorted(set.intersection(*(set(run) for run in runs))) if runs else []
    at = {step: [run[step] for run in runs] for step in steps}
    points = tuple((float(step), sum(values) / len(values)) for step, values in at.items())
    if len(runs) < 2:
        return Series(name, style, points)
    low = tuple((float(step), min(values)) for step, values in at.items())
    high = tuple((float(step), max(values)) for step, values in at.items())
    return Series(name, style, points, low=low, high=high)


def _broken(results: Results, name: str) -> list[Series]:
    """Runs that did not finish, each by itself."""
    style = variant_style(results, name)
    return [
        Series(f"{name}, seed {run.seed}: {run.state}", Style(style.colour, "1 4", "cross"), _points(run))
        for run in results.of(name)
        if run.state in ("diverged", "failed") and len(run.curve) > 1
    ]


def _points(run: Outcome) -> tuple[Point, ...]:
    return tuple((float(step), value) for step, value in run.curve)


def _apart(results: Results) -> tuple[Series, ...]:
    """Mean difference from the baseline's run of the same seed, at the steps at which both were evaluated."""
    base = {run.seed: dict(run.curve) for run in results.of(results.baseline) if run.state == "done"}
    found = []
    for name in _names(results):
        pairs = [
            {step: value - base[run.seed][step] for step, value in run.curve if step in base[run.seed]}
            for run in results.of(name)
            if run.state == "done" and run.seed in base and name != results.baseline
        ]
        steps = sorted(set.intersection(*(set(pair) for pair in pairs))) if pairs else []
        points = tuple((float(step), sum(pair[step] for pair in pairs) / len(pairs)) for step in steps)
        if len(points) > 1:
            found.append(Series(name, variant_style(results, name), points))
    return tuple(found)


def _late(points: Sequence[Point], early: float) -> tuple[float, ...]:
    last = max(x for x, _ in points)
    return tuple(y for x, y in points if x >= early * last)


def _heights(results: Results, shown: Sequence[Series]) -> tuple[float, ...]:
    """Without the variants, or the single runs, that would leave all the others no room."""
    values = _late([point for one in shown for point in (*one.points, *one.low, *one.high)], EARLY)
    return within_reach(values, min(values) if results.metric.goal == "min" else max(values))


def _beyond(shown: Sequence[Series], heights: Sequence[float]) -> str:
    """Names the variants whose line ends beyond the figure."""
    far = [one.name for one in shown if not min(heights) <= one.points[-1][1] <= max(heights)]
    return f" Beyond the scale: {joined(far)}." if far else ""


def _one_by_one(results: Results, shown: Sequence[Series]) -> Markup:
    """A small panel for each, the baseline in all of them."""
    base = next((one for one in shown if one.name == results.baseline), None)
    behind = () if base is None else (Series(base.name, base.style, base.points),)
    others = [one for one in shown if one.name != results.baseline]
    drawn = [Panel(one.name, (*behind, one), "", heights=_heights(results, (*behind, one))) for one in others]
    keys = [(results.baseline, Style.of(-1))] if base else []
    return panels("Learning curves", _description(shown), drawn, 4, 96, keys)


def _description(shown: Sequence[Series]) -> str:
    ends = "; ".join(f"{one.name}: {one.points[-1][1]:.4g} at step {one.points[-1][0]:.0f}" for one in shown)
    return f"Mean over the seeds that are done. {ends}."


__all__ = ["Curves", "learning_curves", "variant_style"]
