"""The page's figures: the map of vectors, and lines by depth."""

from __future__ import annotations

import math
from collections.abc import Callable

from markupsafe import Markup

from partwise.rendering.lines import Panel, Series, panels
from partwise.rendering.svg import Drawing, Style, shortened, width_of

from .facts import Condition, Depth, Health, Token, Vectors

WIDTH, HEIGHT, EDGE = 880.0, 520.0, 40.0
NAMED = 14
"""Blocks whose numbers stand under an axis, from 1; without names, an axis counts from 0."""


def vectors(found: Vectors) -> Markup:
    """Tokens on the two directions in which their vectors differ most."""
    told = f"{len(found.places)} tokens by their vectors; near ones have similar directions in these two dimensions."
    drawing = Drawing(WIDTH, HEIGHT, "Map of tokens", told)
    xs, ys = [place.x for place in found.places], [place.y for place in found.places]
    taken: list[tuple[float, float, float]] = []
    for place in sorted(found.places, key=lambda one: not one.asked):
        x = EDGE + (WIDTH - 3 * EDGE) * _share(place.x, xs)
        y = HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * _share(place.y, ys)
        name = shortened(_shown(place.token), 90)
        wide = width_of(name)
        free = all(abs(y - other_y) > 13 or x + wide < left or x > right for left, right, other_y in taken)
        with drawing.group(f"{_shown(place.token)} (id {place.token.id})", "point"):
            drawing.mark((x, y), "circle", "s0" if place.asked else "s-base", 4.0 if place.asked else 2.5)
            if free:
                drawing.text((x + 7, y), name, "label" if place.asked else "tick")
                taken.append((x - 4, x + wide + 8, y))
    return drawing.markup()


def _share(value: float, values: list[float]) -> float:
    low, high = min(values), max(values)
    return (value - low) / (high - low) if high > low else 0.5


def _shown(token: Token) -> str:
    return token.label.replace(" ", "␣").replace("\n", "⏎") or "∅"


def health(found: Health) -> Markup | None:
    """Norms, gradients and alikeness by depth, a line for each condition."""
    if not any(one.depths for one in found.conditions):
        return None
    asked: list[tuple[str, Callable[[Depth], float | None], bool]] = [
        ("norm of the stream", lambda depth: depth.norm, False),
        ("norm of its gradient", lambda depth: depth.gradient, True),
        ("cosine of two positions", lambda depth: depth.alike, False),
    ]
    drawn = [_panel(title, found.conditions, of, logarithmic) for title, of, logarithmic in asked]
    keys = [(one.name, Style.of(number)) for number, one in enumerate(found.conditions)]
    told = "How large the stream and its gradient are after each block, and how alike its positions are."
    return panels("The stream by depth", told, [one for one in drawn if one], 3, 190.0, keys)


def _panel(
    title: str, conditions: tuple[Condition, ...], of: Callable[[Depth], float | None], logarithmic: bool
) -> Panel | None:
    series = []
    for number, one in enumerate(conditions):
        known = [(depth, of(depth)) for depth in one.depths]
        points = [(float(at), value) for at, (_, value) in enumerate(known) if _fits(value, logarithmic)]
        tips = tuple(f"{one.name}, {depth.path}: {value:.4g}" for depth, value in known if _fits(value, logarithmic))
        if points:
            series.append(Series(one.name, Style.of(number), tuple((x, float(y or 0)) for x, y in points), tips))
    deepest = max(len(one.depths) for one in conditions)
    names = tuple(str(number + 1) for number in range(deepest)) if deepest <= NAMED else ()
    return Panel(title, tuple(series), "block", names, logarithmic=logarithmic) if series else None


def _fits(value: float | None, logarithmic: bool) -> bool:
    return value is not None and math.isfinite(value) and (value > 0 or not logarithmic)
