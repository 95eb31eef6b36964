"""Every run: variants as rows, the metric across, and a line through the runs that share a seed."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from partwise.rendering.axes import Scale, bottom_axis, reach_of, scale
from partwise.rendering.legend import legend
from partwise.rendering.numbers import decimals, fixed
from partwise.rendering.svg import Drawing, Style, room_for, shortened, width_of
from partwise.studies.results import Results

WIDTH = 880.0
ROW = 30.0
MOST_TOLD_APART = 8
"""With more seeds than this they are all drawn alike, and a pointer tells them apart."""


def seed_lines(results: Results, sds: dict[str, float | None]) -> Markup:
    """Draws the runs that are done, variants in the order of `sds`; what became of the others stands at the right."""
    names = [*sds]
    values = {name: results.values(name) for name in names}
    lost = {name: _lost(results, name) for name in names}
    told_apart = len(results.seeds) <= MOST_TOLD_APART
    left = room_for(names, 240) + 14
    right = WIDTH - 16 - max((width_of(words) for words in lost.values()), default=0)
    top = 14.0
    bottom = top + ROW * len(names)
    styles = {seed: Style.of(number if told_apart else 0) for number, seed in enumerate(results.seeds)}
    keys = [(f"seed {seed}", style) for seed, style in styles.items()] if told_apart else []
    below = legend(None, keys, left, bottom + 66, right - left)
    drawing = Drawing(WIDTH, bottom + 52 + below, "Every run", _description(values))
    along = _scale(values, results.baseline, left, right)
    bottom_axis(drawing, along, top, bottom, results.metric.label)
    for number, name in enumerate(names):
        y = top + ROW * (number + 0.5)
        drawing.text((0, y), shortened(name, left - 14), "label")
        drawing.text((WIDTH, y), lost[name], "lost", "end")
        _mean(drawing, [*values[name].values()], along, y)
    with drawing.window(left - 4, top - 4, right + 4, bottom + 4):
        for seed in results.seeds:
            _seed(drawing, seed, [values[name].get(seed) for name in names], styles[seed], along, top, told_apart)
    for number, name in enumerate(names):
        y = top + ROW * (number + 0.5)
        for seed, value in values[name].items():
            if along.holds(value):
                text = fixed(value, decimals(sds[name], value))
                with drawing.group(f"{name}, seed {seed}: {text}", "point"):
                    drawing.mark((along(value), y), styles[seed].mark, styles[seed].colour, 3.6)
        _beyond(drawing, [*values[name].values()], along, y)
    legend(drawing, keys, left, bottom + 66, right - left)
    return drawing.markup()


def _scale(values: dict[str, dict[int, float]], baseline: str, left: float, right: float) -> Scale:
    """Around all variants, except those so far from the others that they would leave them no room."""
    every = [value for own in values.values() for value in own.values()]
    centre = sorted(values[baseline].values() or every) or [0.0]
    middle = centre[len(centre) // 2]
    extents = [max(abs(value - middle) for value in own.values()) for own in values.values() if own]
    reach = reach_of(extents)
    return scale([value for value in every if abs(value - middle) <= reach * (1 + 1e-9)], left, right)


def _mean(drawing: Drawing, values: Sequence[float], along: Scale, y: float) -> None:
    drawing.line((along.start, y), (along.end, y), "grid")
    mean = sum(values) / len(values) if values else None
    if mean is not None and along.holds(mean):
        drawing.line((along(mean), y - 10), (along(mean), y + 10), "mean")


def _seed(
    drawing: Drawing,
    seed: int,
    values: Sequence[float | None],
    style: Style,
    along: Scale,
    top: float,
    told_apart: bool,
) -> None:
    """A line through the seed's runs; it is broken where one is missing."""
    piece: list[tuple[float, float]] = []
    with drawing.group(f"seed {seed}", "series"):
        for number, value in enumerate([*values, None]):
            if value is not None:
                piece.append((along(value), top + ROW * (number + 0.5)))
            else:
                if len(piece) > 1:
                    drawing.polyline(piece, f"thin {style.colour}", style.dash if told_apart else "")
                piece = []


def _beyond(drawing: Drawing, values: Sequence[float], along: Scale, y: float) -> None:
    """Gives in figures what lies beyond the figure."""
    for side, out in (
        ("start", [value for value in values if value < along.low]),
        ("end", [value for value in values if value > along.high]),
    ):
        if out:
            low, high = (fixed(end, decimals(None, end)) for end in (min(out), max(out)))
            text = low if low == high else f"{low} to {high}"
            if side == "start":
                drawing.text((along.start + 6, y), f"← {text}", "side")
            else:
                drawing.text((along.end - 6, y), f"{text} →", "side", "end")


def _lost(results: Results, variant: str) -> str:
    never = "never"
    states = [never if run.state == "done" and run.metric is None else run.state for run in results.of(variant)]
    return ", ".join(f"{states.count(s)} {s}" for s in (never, "diverged", "failed", "waiting") if s in states)


def _description(values: dict[str, dict[int, float]]) -> str:
    said = (
        f"{name}: {', '.join(f'{value:.4g}' for value in own.values()) or 'none done'}" for name, own in values.items()
    )
    return f"{'; '.join(said)}."


__all__ = ["seed_lines"]
