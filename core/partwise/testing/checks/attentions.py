"""Checks of attentions that use the model's position encoder, and of every mixer on a long text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from partwise.errors import PartError
from partwise.parts.kinds import Act, PositionPart
from partwise.parts.part import Part
from partwise.parts.sites import SharedPosition
from partwise.testing.probes import flow_of, numbers, shaken
from partwise.testing.registering import check
from partwise.testing.violation import close_at_positions, require, skip

from .mixers import B, T, empty_state, gradients_are_finite, memory_of, run

LONG = 300
"""Positions after which a number that doubles at each of them is beyond float32."""


@check("attention")
def the_models_position_is_used(part: Part, site: Any) -> None:
    """If it asks for the model's position (`site.position.serve`), it applies that to queries, keys and scores."""
    if site.reads_memory:
        skip("the model's position says nothing about an encoder's states")
    asked = False
    for act in ("rotate", "bias"):
        shared = SharedPosition(_ACTING[act]())
        try:
            module = shaken(part, replace(site, position=shared))
        except PartError:
            continue  # it says that it does not take such a position
        if shared.shapes:
            asked = True
            _uses(part, site, module, Places(act, shared.shapes[0][0]))
            _uses_its_own(module, site, act, shared.shapes[0])
    if not asked:
        skip("it does not ask for the model's position; `site.position.serve(heads, head_width)` in `build` would")


def _uses(part: Part, site: Any, module: Any, places: Places) -> None:
    x = numbers(B, T, site.width)
    plain, placed = module(x, flow_of(0, T)), module(x, flow_of(0, T).placed_by(places))
    how = {"rotate": "that rotates: see flow.rotate", "bias": "that biases scores: see flow.bias"}[places.act]
    require(not torch.allclose(placed, plain, 1e-4, 1e-5), f"it ignores a position {how}")
    if places.act == "rotate":
        require(places.turned > places.heads, "it rotates only one of queries and keys; flow.rotate is for both")
    if site.causal:
        state = empty_state(part, module, site, B, T)
        pieces = [module(x[:, t : t + 1], flow_of(t, t + 1).placed_by(places), state) for t in range(T)]
        close_at_positions(torch.cat(pieces, 1), placed, f"with a position {how.partition(':')[0]}, decoded and in one")


def _uses_its_own(module: Any, site: Any, act: Act, shape: tuple[int, int]) -> None:
    """Beside attentions of another shape, which share the position, it uses the encoder that is made for its own."""
    x, (heads, width) = numbers(B, T, site.width), shape
    own, others = Places(act, heads), Places(act, heads + 1)
    alone = module(x, flow_of(0, T).placed_by(own))
    beside = module(x, flow_of(0, T).placed_by_all({(heads + 1, width + 2): others, shape: own}))
    how = "with a position that attentions of another shape share (see flow.for_heads), and without those"
    close_at_positions(beside, alone, how)


class Places:
    """A position encoder that acts in one way, and counts the heads it has rotated."""

    max_positions = None

    def __init__(self, act: Act, heads: int) -> None:
        self.act, self.heads, self.turned = act, heads, 0

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        return x

    def angles(self, positions: Tensor) -> tuple[Tensor, ...] | None:
        return (0.7 * positions[..., None].float(),) if self.act == "rotate" else None

    def rotate(self, heads: Tensor, angles: tuple[Tensor, ...]) -> Tensor:
        """The first pair of features turned."""
        self.turned += heads.shape[1]
        a, b, rest = heads.tensor_split((1, 2), dim=-1)
        cos, sin = angles[0].cos().to(heads.dtype), angles[0].sin().to(heads.dtype)
        return torch.cat((a * cos - b * sin, a * sin + b * cos, rest), -1)

    def bias_table(self, offsets: Tensor) -> Tensor | None:
        return -0.5 * offsets.abs().float().expand(self.heads, -1) if self.act == "bias" else None


class Rotates(PositionPart):
    """Stands for any position that rotates."""

    name = "rotates"
    acts: ClassVar[frozenset[Act]] = frozenset({"rotate"})


class Biases(PositionPart):
    """Stands for any position that biases scores."""

    name = "biases"
    acts: ClassVar[frozenset[Act]] = frozenset({"bias"})


_ACTING: dict[Act, type[PositionPart]] = {"rotate": Rotates, "bias": Biases}


@check("mixer", "block", per="place")
def long_texts_stay_finite(part: Part, site: Any) -> None:
    """In a text of some hundred positions outputs and gradients are finite: nothing grows with every position."""
    site = replace(site, context=LONG)
    module, x = shaken(part, site), numbers(1, LONG, site.width).requires_grad_()
    output = run(module, site, x, memory=memory_of(site, 1))
    require(output.isfinite().all(), f"in a text of {LONG} positions the output is not finite")
    (output * numbers(*output.shape, seed=3)).sum().backward()
    gradients_are_finite(module, x, f"in a text of {LONG} positions")
