"""The metric against training compute: what each size came to, the curves that speed-ups are read off, and how far
each measured point lies from the curve through the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from partwise.rendering.axes import Scale, left_axis, logarithmic_scale, scale, within_reach
from partwise.rendering.legend import legend
from partwise.rendering.lines import MOST_TOGETHER
from partwise.rendering.numbers import decimals, fixed, short, signed
from partwise.rendering.svg import Drawing, Point, Style, shortened, width_of
from partwise.rendering.text import printable
from partwise.studies.analysis.ladder_findings import Curve
from partwise.studies.analysis.speed_up import curve_weights
from partwise.studies.results import Results

WIDTH, HEIGHT = 440.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 14.0, 36.0, 244.0
STEPS = 12
"""Straight pieces that a curve is drawn in between two sizes."""
AHEAD = 10**0.75
"""How far the dotted law goes on beyond the largest size."""


@dataclass(frozen=True)
class Compute:
    """The drawings, and what a reader must know to read them."""

    drawings: list[Markup]
    caption: str


def against_compute(results: Results, curves: Sequence[Curve], verdicts: Mapping[str, str]) -> Compute | None:
    """For each text its curves and their residuals; None where no variant has two sizes.

    Args:
        verdicts: variant -> its verdict at the largest size, whose colour it has where there are many.
    """
    shown = [one for one in curves if len(one.points) > 1 and min(point.compute for point in one.points) > 0]
    if not shown:
        return None
    drawings, laws = list[Markup](), False
    for text in dict.fromkeys(one.text for one in shown):
        own = [one for one in shown if one.text == text]
        styles = _styles(results, own, verdicts)
        drawings.append(_curves(results, text, own, styles))
        drawings += _residuals(results, text, own, styles)
        laws = laws or any(one.law and one.variant == results.baseline for one in own)
    return Compute(drawings, _caption(results, shown, laws))


def _caption(results: Results, shown: Sequence[Curve], laws: bool) -> str:
    means = "Means over seeds, and with bars their intervals"
    if any(one.text is None for one in shown) and results.texts:
        means = f"Means over {len(results.texts)} texts"
    said = f"{means}. Lines are the curves that speed-ups are read off, drawn between measured sizes only."
    if laws:
        said += (
            " Dotted, beyond the largest size: the power law with a floor that describes the baseline's figures, "
            "continued. Nothing was measured there, and nothing is claimed."
        )
    if any(point.residual is not None for one in shown for point in one.points):
        said += (
            " Residuals: how far a size lies above the curve through all the others, and so how far reading off the "
            "curve may err."
        )
    return said


def _styles(results: Results, curves: Sequence[Curve], verdicts: Mapping[str, str]) -> dict[str, Style]:
    """Of each variant: its own, as in every figure; of many, that of its verdict."""
    names = list(dict.fromkeys(v.name for v in results.variants if v.name != results.baseline))
    found = {results.baseline: Style.of(-1)}
    for one in curves:
        if one.variant != results.baseline:
            number = names.index(one.variant)
            found[one.variant] = (
                Style.of(number) if len(curves) <= MOST_TOGETHER else _by_verdict(verdicts[one.variant])
            )
    return found


def _by_verdict(verdict: str) -> Style:
    return Style(
        f"row v-{verdict.replace(' ', '-')}", "", {"better": "triangle", "worse": "square"}.get(verdict, "circle")
    )


def _keys(results: Results, styles: Mapping[str, Style], verdicts: Sequence[str]) -> list[tuple[str, Style]]:
    if len(styles) <= MOST_TOGETHER:
        return [*styles.items()]
    told = {"better": "better at the largest size", "worse": "worse at the largest size"}
    others = [one for one in dict.fromkeys(verdicts) if one not in told]
    keys = [(words, _by_verdict(one)) for one, words in told.items() if one in verdicts]
    return [(results.baseline, styles[results.baseline]), *keys, *((one, _by_verdict(one)) for one in others)]


def _keys_of(results: Results, styles: Mapping[str, Style]) -> list[tuple[str, Style]]:
    verdicts = [style.colour.removeprefix("row v-").replace("-", " ") for name, style in styles.items()
                if name != results.baseline]  # fmt: skip
    return _keys(results, styles, verdicts)


def _curves(results: Results, text: str | None, curves: Sequence[Curve], styles: Mapping[str, Style]) -> Markup:
    keys = _keys_of(results, styles)
    below = legend(None, keys, 0, 0, WIDTH)
    title = f"{results.metric.label} against compute{'' if text is None else f' on {text}'}"
    drawing = Drawing(WIDTH, HEIGHT + below, title, _description(curves))
    law = next((one.law for one in curves if one.variant == results.baseline), None)
    computes = [point.compute for one in curves for point in one.points]
    across = logarithmic_scale([*computes, max(computes) * AHEAD] if law else computes, LEFT, WIDTH - RIGHT)
    values = [end for one in curves for point in one.points for end in (point.low, point.mean, point.high)
              if end is not None and (point.mean == end or results.texts == [] or text is not None)]  # fmt: skip
    best = min(values) if results.metric.goal == "min" else max(values)
    ahead = [law.at(max(computes) * AHEAD)] if law else []
    upward = scale([*within_reach(values, best), *ahead], BOTTOM, TOP)
    _axes(drawing, curves, across, upward, printable(title.partition(" against")[0] + title.partition("compute")[2]))
    with drawing.window(LEFT - 6, TOP - 6, WIDTH - RIGHT + 6, BOTTOM + 6):
        for one in sorted(curves, key=lambda curve: curve.variant == results.baseline):
            with drawing.group(one.variant, "series"):
                line = [(across(x), upward(y)) for x, y in _line(results, one)]
                style = styles[one.variant]
                drawing.polyline(line, f"thin {style.colour}", style.dash)
        for one in sorted(curves, key=lambda curve: curve.variant == results.baseline):
            _points(drawing, one, styles[one.variant], across, upward, bars=not (results.texts and text is None))
        if law:
            last = max(computes)
            steps = [last * AHEAD ** (step / STEPS) for step in range(STEPS + 1)]
            with drawing.group("the baseline's law, continued: nothing was measured here", "series"):
                drawing.polyline([(across(x), upward(law.at(x))) for x in steps], "thin s-base", "1 4")
    if law:
        middle = (across(max(computes)) + WIDTH - RIGHT) / 2
        for number, word in enumerate(("not", "measured")):
            drawing.text((middle, TOP + 8 + 14 * number), word, "tick", "middle")
    legend(drawing, keys, 0, HEIGHT + 6, WIDTH)
    return drawing.markup()


def _points(drawing: Drawing, one: Curve, style: Style, across: Scale, upward: Scale, *, bars: bool) -> None:
    for point in one.points:
        x = across(point.compute)
        places = decimals(None if point.low is None or point.high is None else point.high - point.low, point.mean)
        tip = f"{one.variant} at {point.size}: {fixed(point.mean, places)} at {short(point.compute)} FLOPs"
        with drawing.group(tip, f"point {style.colour}"):
            if bars and point.low is not None and point.high is not None:
                drawing.line((x, upward.near(point.low)), (x, upward.near(point.high)), "interval")
            drawing.mark((x, upward(point.mean)), style.mark, style.colour, 3.4)


def _line(results: Results, one: Curve) -> list[Point]:
    """The curve between measured sizes; straight pieces where compute does not rise from size to size."""
    points = [(point.compute, point.mean) for point in one.points]
    x, y = np.log10([compute for compute, _ in points]), np.array([mean for _, mean in points])
    if (np.diff(x) <= 0).any():
        return points
    logs = results.metric.goal == "min" and bool((y > 0).all())
    at = np.concatenate([np.linspace(x[k], x[k + 1], STEPS, endpoint=False) for k in range(x.size - 1)] + [x[-1:]])
    weights = curve_weights(x, at)
    heights = np.exp(weights @ np.log(y)) if logs else weights @ y
    return [(float(10**one), float(height)) for one, height in zip(at, heights, strict=True)]


def _axes(drawing: Drawing, curves: Sequence[Curve], across: Scale, upward: Scale, title: str) -> None:
    """Sizes below their compute: of the curve with the most of them."""
    left_axis(drawing, upward, LEFT, WIDTH - RIGHT, shortened(title, WIDTH - LEFT + 30))
    longest = max(curves, key=lambda one: len(one.points))
    free = -1e9
    for point in longest.points:
        x = across(point.compute)
        drawing.line((x, TOP), (x, BOTTOM), "grid")
        label = shortened(point.size, 90)
        half = max(width_of(label), width_of(short(point.compute))) / 2
        if x - half > free:
            drawing.text((x, BOTTOM + 14), label, "tick", "middle")
            drawing.text((x, BOTTOM + 28), short(point.compute), "tick", "middle")
            free = x + half + 4
    drawing.line((LEFT, BOTTOM), (WIDTH - RIGHT, BOTTOM), "axis")
    drawing.text(((LEFT + WIDTH - RIGHT) / 2, BOTTOM + 46), "size, and its training FLOPs", "axis-title", "middle")


def _residuals(
    results: Results, text: str | None, curves: Sequence[Curve], styles: Mapping[str, Style]
) -> list[Markup]:
    known = [(one, point, point.residual) for one in curves for point in one.points if point.residual is not None]
    if not known:
        return []
    said = "; ".join(f"{one.variant} at {point.size}: {off:+.2g}" for one, point, off in known)
    title = f"Residuals{'' if text is None else f' on {text}'}"
    drawing = Drawing(WIDTH, HEIGHT, title, f"{said}.")
    computes = [point.compute for one in curves for point in one.points]
    across = logarithmic_scale(computes, LEFT, WIDTH - RIGHT)
    upward = scale([0.0, *within_reach([off for *_, off in known], 0.0)], BOTTOM, TOP, margin=0.15)
    _axes(drawing, curves, across, upward, f"residual in {results.metric.label}")
    drawing.line((LEFT, upward(0)), (WIDTH - RIGHT, upward(0)), "zero")
    spread = min(4.0, 60.0 / max(len(curves), 1))
    with drawing.window(LEFT - 6, TOP - 6, WIDTH - RIGHT + 6, BOTTOM + 6):
        for number, one in enumerate(curves):
            for point in one.points:
                if point.residual is not None:
                    x = across(point.compute) + spread * (number - (len(curves) - 1) / 2)
                    off = signed(point.residual, decimals(abs(point.residual) or None))
                    with drawing.group(f"{one.variant} at {point.size}: {off}", "point"):
                        style = styles[one.variant]
                        drawing.mark((x, upward(point.residual)), style.mark, style.colour, 3.6)
    return [drawing.markup()]


def _description(curves: Sequence[Curve]) -> str:
    said = (
        f"{one.variant}: {', '.join(f'{point.mean:.4g} at {point.size}' for point in one.points)}" for one in curves
    )
    return f"{'; '.join(said)}."


__all__ = ["Compute", "against_compute"]
