"""Mistakes in an attention that takes the model's position, and in one that counts distances with powers."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from partwise.modules import Flow, State
from partwise.parts import AttentionPart
from partwise.testing.checks import attentions

from .attention import Tiny, attention
from .planting import Kills

KILLS = Kills()
SITE = AttentionPart.sites()["decoder"]


class Placed(Tiny):
    """Turns queries and keys, and biases scores, as the model's position says."""

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        flow = self.own(flow)
        queries, keys, values = (self.split(y) for y in self.project(x).chunk(3, -1))
        queries, keys = self.turn_queries(queries, flow), self.turn_keys(keys, flow)
        keys, values = self.remember(keys, values, flow, state)
        scores = queries @ keys.mT
        if flow.bias is not None:
            scores = self.bias(scores, flow)
        return self.output(self.join(self.weights(scores, self.mask(flow)) @ values))

    def own(self, flow: Flow) -> Flow:
        return flow.for_heads(self.heads, self.width // self.heads)

    def turn_queries(self, queries: Tensor, flow: Flow) -> Tensor:
        return flow.rotate(queries)

    def turn_keys(self, keys: Tensor, flow: Flow) -> Tensor:
        return flow.rotate(keys)

    def bias(self, scores: Tensor, flow: Flow) -> Tensor:
        assert flow.bias is not None
        return scores + flow.bias.dense


class DeafToRotation(Placed):
    def turn_queries(self, queries, flow):
        return queries

    turn_keys = turn_queries


class KeysNotTurned(Placed):
    def turn_keys(self, keys, flow):
        return keys


class DeafToBias(Placed):
    def bias(self, scores, flow):
        return scores


class PlacedByTheFirst(Placed):
    """Takes the position that is there first, whatever shape of heads it is made for."""

    def own(self, flow):
        return flow


class BiasOfTheFirstTokens(Placed):
    def bias(self, scores, flow):
        late = flow.bias.dense
        return scores + (late.flip(-1) if flow.start else late)


def asking(module: type[Tiny]) -> AttentionPart:
    """A part that asks for the model's position."""
    planted: Any = type(attention(module))

    class Asking(planted):  # type: ignore[misc]
        """An attention with a mistake in it."""

        def build(self, site: Any) -> Any:
            if site.position is not None:
                site.position.serve(module.heads, site.width // module.heads)
            return super().build(site)

    return Asking()


for mistake, wrong in (
    ("deaf to rotation", DeafToRotation),
    ("keys that are not turned", KeysNotTurned),
    ("deaf to a bias", DeafToBias),
    ("the position of heads of another shape", PlacedByTheFirst),
    ("a bias the wrong way round in decoding", BiasOfTheFirstTokens),
):
    KILLS.plant(attentions.the_models_position_is_used, mistake, partial(asking, Placed), partial(asking, wrong), SITE)


class Decays(Tiny):
    """Halves with every position what it makes of a key; there is no softmax."""

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        queries, keys, values = (self.split(y) for y in self.project(x).chunk(3, -1))
        apart = torch.arange(flow.length)[:, None] - torch.arange(flow.length)
        scores = queries @ keys.mT * 0.5 ** self.distance(apart)
        return self.output(self.join(scores.masked_fill(apart < 0, 0.0) @ values))

    def distance(self, apart: Tensor) -> Tensor:
        return apart.clamp_min(0)


class PowersOfTheFuture(Decays):
    """What comes after is masked, but only when its powers are beyond all numbers: their gradient is none."""

    def distance(self, apart):
        return apart


KILLS.plant(
    attentions.long_texts_stay_finite,
    "powers of the future, masked too late",
    partial(attention, Decays),
    partial(attention, PowersOfTheFuture),
    SITE,
)
