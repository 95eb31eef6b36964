"""What every block must do besides what a mixer must, seen when its branches give zeros."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from partwise.modules.flow import Flow
from partwise.modules.states import State
from partwise.parts.kinds import BlockPart, FeedForwardPart, MixerPart
from partwise.parts.part import Part, parts_within
from partwise.parts.sites import LayerSite
from partwise.testing.probes import build, flow_of, numbers
from partwise.testing.registering import check
from partwise.testing.violation import close_at_positions, skip

from .mixers import memory_of


class Silence(nn.Module):
    """Gives zeros."""

    def forward(self, x: Tensor, flow: Flow | None = None, state: State | None = None) -> Tensor:
        return torch.zeros_like(x)

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return {}


class SilentMixer(MixerPart):
    """A mixer that gives zeros."""

    name = "silent"

    def build(self, site: LayerSite) -> Any:
        return Silence()


class SilentFeedForward(FeedForwardPart):
    """A feed-forward that gives zeros."""

    name = "silent"

    def build(self, site: LayerSite) -> nn.Module:
        return Silence()


@check("block")
def with_silent_branches_it_is_the_identity(part: Any, site: Any) -> None:
    """With branches that give zeros, a block with a residual stream is the identity."""
    within = [one for _, one in parts_within(part) if isinstance(one, BlockPart)]
    if not all(one.keeps_stream for one in (part, *within)):
        skip("it changes the residual stream itself, and says so (keeps_stream)")
    block = build(silenced(part), site)
    x = numbers(3, 6, site.width)
    output = block(x, flow_of(0, 6, memory_of(site)))
    close_at_positions(output, x, "with silent branches, and the input")


@check("block")
def nothing_moves_but_through_its_mixers(part: Any, site: Any) -> None:
    """With silent branches an output depends on its own position only."""
    block = build(silenced(part), site)
    x = numbers(3, 6, site.width)
    whole = block(x, flow_of(0, 6, memory_of(site)))
    for t in range(6):
        alone = block(x[:, t : t + 1], flow_of(0, 1, memory_of(site)))
        close_at_positions(alone, whole[:, t : t + 1], f"with silent branches, the token {t} by itself and in its text")


def silenced(part: Part) -> Part:
    """The part with silence for every mixer and feed-forward in it, however deep: also in blocks that it holds."""
    return part.model_copy(update={knob: _silent(getattr(part, knob)) for knob in type(part).model_fields})


def _silent(value: Any) -> Any:
    match value:
        case MixerPart():
            return SilentMixer()
        case FeedForwardPart():
            return SilentFeedForward()
        case Part():
            return silenced(value)
        case tuple():
            return tuple(map(_silent, value))
    return value
