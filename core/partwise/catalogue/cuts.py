"""What a sampler leaves of a distribution: the shares of twelve tokens before it and after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from partwise.parts.kinds import SamplerPart
from partwise.parts.part import Part
from partwise.rendering.numbers import fixed
from partwise.rendering.svg import Drawing

from .drawn import Figure

SHARES = (0.30, 0.19, 0.13, 0.10, 0.08, 0.06, 0.05, 0.035, 0.025, 0.015, 0.01, 0.005)
"""Of the tokens a, b, c ... before the sampler."""
TEXT = (0, 2)
"""Tokens of the text so far."""
WIDE, HIGH, LEFT, HEAD = 46.0, 130.0, 14.0, 24.0


def cuts(part: type[Part], one: Part) -> Iterator[Figure]:
    """Bars of the shares, for samplers that draw."""
    after = _after(one) if issubclass(part, SamplerPart) else None
    if after is None:
        return
    caption = (
        "Twelve tokens by how likely the model thinks them (outlined) and by how likely they are drawn (filled); "
        "a and c are in the text so far."
    )
    most = max(*SHARES, *after)
    drawing = Drawing(2 * LEFT + WIDE * len(SHARES), HEAD + HIGH + 24, f"What {part.name} draws", caption)
    for index, (before, now) in enumerate(zip(SHARES, after, strict=True)):
        x = LEFT + index * WIDE
        for share, classes in ((now, "cell shade10"), (before, "outline")):
            tall = HIGH * share / most
            if share:
                drawing.box(x + 6, HEAD + HIGH - tall, WIDE - 12, tall, classes)
        top = HEAD + HIGH * (1 - max(before, now) / most)
        drawing.text((x + WIDE / 2, top - 9), fixed(now, 3) if now else "0", "tick", "middle")
        drawing.text((x + WIDE / 2, HEAD + HIGH + 13), chr(97 + index), "tick", "middle")
    yield Figure(drawing.markup(), caption, "map")


def _after(one: Part) -> list[float] | None:
    sampler: Any = one.assemble(None)
    logits = torch.tensor([SHARES]).log()
    if callable(getattr(sampler, "filter", None)):
        left: Tensor = sampler.filter(logits)
    elif callable(getattr(sampler, "filter_after", None)):
        left = sampler.filter_after(logits, torch.tensor([TEXT]))
    else:
        return None
    shares: list[float] = left.softmax(-1)[0].tolist()
    return shares


__all__ = ["cuts"]
