"""Figures of what parts do, drawn from the parts themselves.

Only for kinds where one function draws every part correctly: schedules, and positions that learn nothing.
A part that raises while it is drawn gets no figure; `partwise verify` reports what is wrong with it.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from partwise.parts.kinds import PositionPart, SchedulePart
from partwise.parts.part import Part
from partwise.rendering.lines import Panel, Series, panels
from partwise.rendering.svg import Point, Style
from partwise.rendering.text import plain

from .drawn import Figure
from .snippets import setting, written

STEPS = 1000
"""Updates of the training over which schedules are drawn."""
REACH = 64
"""Positions over which position encoders are drawn."""
MOST = 4
"""Lines of a figure."""


@cache
def figures(part: type[Part]) -> tuple[Figure, ...]:
    """All pictures of a part: a schematic of what it builds, curves, and a map of what it looks at."""
    from .cuts import cuts
    from .schematics import schematic
    from .seen import seen

    found = [] if (curve := figure(part)) is None else [curve]
    one = setting(part)
    for draw in (schematic, seen, cuts):
        if one is not None:
            found += _drawn(draw, part, one)
    return tuple(found)


def _drawn(draw: Callable[[type[Part], Part], Iterable[Figure]], part: type[Part], one: Part) -> list[Figure]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(draw(part, one))
    except Exception:  # a plugin's code may raise anything
        return []


def figure(part: type[Part]) -> Figure | None:
    """A picture of what the part does; None for kinds that have none, and for parts that cannot be drawn."""
    draw = next((function for kind, function in _FUNCTIONS.items() if issubclass(part, kind)), None)
    if draw is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return draw(part)
    except Exception:  # a plugin's code may raise anything
        return None


def _settings(part: type[Part]) -> list[tuple[str, Part]]:
    """The defaults and the part's examples, each once, with what tells them apart."""
    found: dict[str, tuple[str, Part]] = {}
    for one in (setting(part), *part.examples()):
        node = written(one)
        if one is not None:
            knobs = {key: value for key, value in node.items() if key != "use"} if isinstance(node, dict) else {}
            found.setdefault(plain(node), (plain(knobs) if knobs else "defaults", one))
    return list(found.values())[:MOST]


def _schedule(part: type[Part]) -> Figure | None:
    """The factor over a training: a long one for the defaults, a short one for the examples, which are made for it."""
    (site,) = part.sites().values()
    drawn = []
    for title, chosen, steps in (
        (f"factor, over {STEPS} updates", _settings(part)[:1], STEPS),
        (f"factor, over {site.steps} updates", _settings(part)[1:], site.steps),
    ):
        series = []
        for name, one in chosen:
            factor = one.assemble(dataclasses.replace(site, steps=steps))
            stride = max(1, steps // 200)
            series.append((name, [(step, float(factor(step))) for step in [*range(0, steps, stride), steps - 1]]))
        if series and _drawable(points for _, points in series):
            drawn.append((title, series))
    if not drawn:
        return None
    number, shown, keys = -1, list[Panel](), list[tuple[str, Style]]()
    for title, several in drawn:
        lines = []
        for name, points in several:
            style = Style.of(number)
            lines.append(Series(name, style, tuple(points)))
            keys.append((name, style))
            number += 1
        shown.append(
            Panel(title, tuple(lines), "update", heights=(0.0, 1.0, *(y for line in lines for _, y in line.points)))
        )
    caption = "The learning rate as a factor of the optimizer's own, at each update of a training."
    return Figure(panels("Learning rate", caption, shown, len(shown), 210, keys), caption)


def _position(part: type[Part]) -> Figure | None:
    """Biases by distance, likeness after a rotation, or features of the embedding."""
    acts: frozenset[str] = getattr(part, "acts", frozenset())
    for act, draw in (("bias", _biases), ("rotate", _rotations), ("embed", _features)):
        if act in acts:
            return draw(part)
    return None


def _encoder(one: Part) -> Any:
    """The built encoder; None if what it adds or turns by is learned, since then it has no picture before training."""
    from partwise.testing import build

    site = next(iter(one.sites().values()))
    site = dataclasses.replace(site, width=REACH, context=REACH, heads=MOST, head_width=16)
    encoder = build(one, site)
    learns = bool(list(encoder.parameters())) and "bias" not in one.acts  # type: ignore[attr-defined]
    return None if learns or (encoder.max_positions or REACH) < REACH else encoder


def _biases(part: type[Part]) -> Figure | None:
    import torch

    (name, one), *_ = _settings(part)
    encoder = _encoder(one)
    table = None if encoder is None else encoder.bias_table(-torch.arange(REACH))
    if table is None:
        return None
    first = " What it learns is as it is drawn at first." if list(encoder.parameters()) else ""
    caption = (
        f"What is added to the score of a key so many positions back, in each of {len(table)} heads ({name}).{first}"
    )
    return _lines("Bias by distance", caption, "bias", "positions back", _named(table.tolist(), "head"))


def _rotations(part: type[Part]) -> Figure | None:
    import torch

    found = []
    for name, one in _settings(part):
        encoder = _encoder(one)
        angles = None if encoder is None else encoder.angles(torch.arange(REACH))
        if angles is None:
            continue
        turned = encoder.rotate(torch.ones(1, 1, REACH, 16), angles)[0, 0].double()
        like = turned @ turned[0] / (turned[0] @ turned[0])
        found.append((name, list(enumerate(like.tolist()))))
    caption = (
        "Cosine of a vector of ones with itself turned by so many positions: how much a query still matches "
        "a key that was like it."
    )
    return _lines("Likeness by distance", caption, "cosine", "positions apart", found) if found else None


def _features(part: type[Part]) -> Figure | None:
    import torch

    (name, one), *_ = _settings(part)
    encoder = _encoder(one)
    if encoder is None:
        return None
    table = encoder.embed(torch.zeros(1, REACH, REACH), torch.arange(REACH))[0]
    chosen = [REACH * index // MOST // 2 * 2 for index in range(MOST)]
    rows = [(f"feature {index}", list(enumerate(table[:, index].tolist()))) for index in chosen]
    caption = f"What is added to some of the {REACH} features of the embedding at each position ({name})."
    return _lines("Features by position", caption, "value", "position", rows)


def _named(rows: Sequence[Sequence[float]], noun: str) -> list[tuple[str, list[Point]]]:
    return [(f"{noun} {index}", list(enumerate(map(float, row)))) for index, row in enumerate(rows)]


def _lines(
    title: str, caption: str, up: str, across: str, rows: Sequence[tuple[str, Sequence[Point]]]
) -> Figure | None:
    if not _drawable(points for _, points in rows):
        return None
    series = tuple(Series(name, Style.of(index), tuple(points)) for index, (name, points) in enumerate(rows, start=-1))
    keys = [(one.name, one.style) for one in series]
    return Figure(panels(title, caption, [Panel(up, series, across)], 1, 210, keys), caption)


def _drawable(rows: Any) -> bool:
    return all(math.isfinite(y) for points in rows for _, y in points)


_FUNCTIONS: dict[type[Part], Callable[[type[Part]], Figure | None]] = {
    SchedulePart: _schedule,
    PositionPart: _position,
}

__all__ = ["Figure", "figure", "figures"]
