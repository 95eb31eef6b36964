"""A grid two factors at a time: lines that are not parallel show an interaction."""

from __future__ import annotations

from itertools import combinations

from markupsafe import Markup

from partwise.rendering.axes import within_reach
from partwise.rendering.lines import Panel, Series, panels
from partwise.rendering.svg import Point, Style
from partwise.studies.results import Results

MOST_PANELS = 12


def interactions(results: Results) -> Markup | None:
    """One panel per pair of factors, averaged over the others; None without a pair, or with nothing done."""
    factors = [factor for factor, levels in results.factors.items() if len(levels) > 1]
    drawn: list[Panel] = []
    keys: list[list[tuple[str, Style]]] = []
    for first, second in [*combinations(factors, 2)][:MOST_PANELS]:
        # The factor with more levels lies across: fewer lines are easier to tell apart.
        across, lines = sorted((first, second), key=lambda factor: -len(results.factors[factor]))
        panel = _panel(results, across, lines)
        if panel.series:
            drawn.append(panel)
            keys.append([(one.name, one.style) for one in panel.series])
    if not drawn:
        return None
    said = "; ".join(tip for panel in drawn for one in panel.series for tip in one.tips)
    columns = 1 if len(drawn) == 1 else 2
    if len(drawn) == 1:
        return panels("Interactions", said, drawn, columns, 230, keys[0])
    every = [key for own in keys for key in own]
    return panels("Interactions", said, drawn, columns, 190, list(dict.fromkeys(every)))


def _panel(results: Results, across: str, lines: str) -> Panel:
    series, scattered = [], []
    for number, level in enumerate(results.factors[lines]):
        style = Style.of(number - 1)
        points: list[Point] = []
        tips = []
        for place, other in enumerate(results.factors[across]):
            values = [
                value
                for variant in results.variants
                if variant.levels.get(across) == other and variant.levels.get(lines) == level
                for value in results.values(variant.name).values()
            ]
            if values:
                mean = sum(values) / len(values)
                points.append((float(place), mean))
                tips.append(f"{lines}={level}, {across}={other}: {mean:.4g} over {len(values)} runs")
                # Beside the line, so that points of several lines do not hide each other.
                scattered += [(style, (place + 0.03 + 0.025 * number, value)) for value in values]
        if points:
            series.append(Series(f"{lines}={level}", style, tuple(points), tuple(tips)))
    names = tuple(results.factors[across])
    values = [y for _, (_, y) in scattered] or [0.0]
    heights = within_reach(values, min(values) if results.metric.goal == "min" else max(values))
    label = results.metric.label
    return Panel(label, tuple(series), across, names, heights=heights, scattered=tuple(scattered), arrows=True)


__all__ = ["interactions"]
