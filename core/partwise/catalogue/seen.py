"""Maps of what a mixer looks at: the weights of its first head over a short text, with its first weights."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from markupsafe import Markup
from torch import Tensor

from partwise.modules.flow import causal_flow
from partwise.modules.showing import Shows
from partwise.parts.kinds import MixerPart
from partwise.parts.part import Part
from partwise.rendering.svg import Drawing
from partwise.testing import build, numbers
from partwise.testing.cases import fits

from .drawn import Figure

LENGTH = 16
"""Positions of the text."""
CELL, GAP, EDGE, HEAD = 13.0, 26.0, 30.0, 22.0
SHADES = 10
MOST = 4
"""Heads that are drawn."""


def seen(part: type[Part], one: Part) -> Iterator[Figure]:
    """Which positions each position looks at, in a decoder."""
    if not issubclass(part, MixerPart):
        return
    site = next((site for name, site in type(one).sites().items() if name == "decoder" and fits(one, site)), None)
    module = None if site is None else build(one, site)
    if site is None or not isinstance(module, Shows):
        return
    with torch.no_grad():
        shown = module.shown(numbers(1, LENGTH, site.width), causal_flow(LENGTH))
    weights = shown.weights[0].float()
    if weights.shape[-1] != LENGTH or not bool(weights.isfinite().all()):
        return
    signed = bool((weights < 0).any())
    kinds = "blue adds, orange takes off; " if signed else ""
    caption = (
        f"How much of each position (across) is in each position (down), in a text of {LENGTH} random vectors, before "
        f"any training; {kinds}the darker, the more."
    )
    maps = [(f"head {index}" if len(weights) > 1 else "", head) for index, head in enumerate(weights[:MOST])]
    yield Figure(grid(f"What {part.name} looks at", caption, maps), caption, "map")


def grid(title: str, description: str, maps: list[tuple[str, Tensor]]) -> Markup:
    """Matrices side by side, each with its name above."""
    rows, columns = maps[0][1].shape
    width = EDGE + len(maps) * (columns * CELL + GAP)
    drawing = Drawing(width, HEAD + rows * CELL + 8, title, description)
    for index, (name, matrix) in enumerate(maps):
        left = EDGE + index * (columns * CELL + GAP)
        drawing.text((left + columns * CELL / 2, HEAD / 2), name, "tick", "middle")
        drawing.box(left, HEAD, columns * CELL, rows * CELL, "ground")
        most = float(matrix.abs().max()) or 1.0
        for row, line in enumerate(matrix.tolist()):
            for column, value in enumerate(line):
                shade = round(SHADES * abs(value) / most)
                if shade or value:
                    kind = "cell" if value > 0 else "cell less"
                    drawing.box(
                        left + column * CELL, HEAD + row * CELL, CELL - 1, CELL - 1, f"{kind} shade{max(1, shade)}"
                    )
    return drawing.markup()


__all__ = ["grid", "seen"]
