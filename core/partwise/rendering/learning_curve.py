"""A run's learning curve: smoothed training loss and evaluations, for a terminal and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from partwise.metric_names import LOSS, VALID_LOSS

SMOOTHING = 50
"""The training loss is averaged over a fiftieth of the run: that of a single batch is mostly chance."""

BEYOND = 1e100
"""What no axis has room for."""

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """One line of the picture: (step, nats per token)."""

    name: str
    points: Points


def learning_curves(rows: Sequence[Mapping[str, Any]]) -> list[Curve]:
    """The curves of a run's rows that have anything to show."""
    batches, valid = ([(row["step"], row[name]) for row in rows if _fits(row, name)] for name in (LOSS, VALID_LOSS))
    curves = [Curve("train (smoothed)", smoothed(batches, max(1, len(batches) // SMOOTHING))), Curve("valid", valid)]
    return [curve for curve in curves if curve.points]


def _fits(row: Mapping[str, Any], name: str) -> bool:
    return row.get(name) is not None and max(abs(row[name]), row["step"]) < BEYOND


def smoothed(points: Points, window: int) -> Points:
    """Means over `window` points each, side by side, at the step in their middle."""
    groups = [points[start : start + window] for start in range(0, len(points), window)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


def as_svg(name: str, curves: Sequence[Curve]) -> str:
    """A picture that stands alone."""
    from .lines import Panel, Series, panels
    from .svg import Style, standalone

    series = tuple(Series(curve.name, Style.of(index - 1), tuple(curve.points)) for index, curve in enumerate(curves))
    panel = Panel("nats per token", series, "step")
    described = "; ".join(f"{curve.name} ends at {curve.points[-1][1]:.3f}" for curve in curves)
    keys = [(one.name, one.style) for one in series]
    return standalone(panels(f"Learning curve of {name}", described, [panel], 1, 320, keys))


def in_letters(curves: Sequence[Curve], width: int, height: int = 14, colours: bool = False) -> str:
    """A picture for a terminal, `width` columns wide; without colours, in ASCII, with a letter for each curve."""
    from uniplot import plot_to_string

    text: str = plot_to_string(
        xs=[[x for x, _ in curve.points] for curve in curves],
        ys=[[y for _, y in curve.points] for curve in curves],
        lines=[len(curve.points) > 1 for curve in curves],
        legend_labels=[curve.name for curve in curves],
        width=max(20, width - 12),
        height=height,
        color=colours,
        character_set="block" if colours else "ascii",
    )
    return text if colours else text.translate(_PLAIN_FRAME)


_PLAIN_FRAME = str.maketrans("┌┐└┘─│", "++++-|")

__all__ = ["Curve", "as_svg", "in_letters", "learning_curves", "smoothed"]
