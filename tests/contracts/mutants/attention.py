"""Mistakes in an attention with rotary positions, a window and a cache: small, and written out to be got wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from partwise.modules import Flow, State
from partwise.parts import AttentionPart
from partwise.testing.checks import mixers

from .planting import Kills

KILLS = Kills()
SITE = AttentionPart.sites()["decoder"]
ENCODER = AttentionPart.sites()["encoder"]


class Tiny(nn.Module):
    """Two heads, rotated by position, over a window of four; each step a method, so that each can be got wrong."""

    heads, window = 2, 4

    def __init__(self, width: int, causal: bool) -> None:
        super().__init__()
        self.width, self.causal = width, causal
        self.project = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        queries, keys, values = (self.split(y) for y in self.project(x).chunk(3, -1))
        queries, keys = self.rotate(queries, flow), self.rotate(keys, flow)
        keys, values = self.remember(keys, values, flow, state)
        heads = self.weights(self.scores(queries, keys), self.mask(flow)) @ values
        return self.output(self.join(heads))

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def join(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)

    def positions(self, flow: Flow) -> Tensor:
        return flow.positions

    def rotate(self, x: Tensor, flow: Flow) -> Tensor:
        return turned(x, self.positions(flow))

    def remember(self, keys: Tensor, values: Tensor, flow: Flow, state: State | None) -> tuple[Tensor, Tensor]:
        if state is None:
            return keys, values
        for name, new in (("keys", keys), ("values", values)):
            state[name][:, :, flow.start : flow.end] = new
        return state["keys"][:, :, : flow.end], state["values"][:, :, : flow.end]

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        return queries @ keys.mT / math.sqrt(queries.shape[-1])

    def weights(self, scores: Tensor, mask: Tensor) -> Tensor:
        return scores.masked_fill(~mask, -torch.inf).softmax(-1)

    def sees(self, query: Tensor, key: Tensor, flow: Flow) -> Tensor:
        if self.causal:
            return (key <= query) & (key > query - self.window)
        return (key < query + self.window) & (key > query - self.window)

    def mask(self, flow: Flow) -> Tensor:
        query, key = torch.arange(flow.start, flow.end)[:, None], torch.arange(flow.end)
        mask = self.sees(query, key, flow)[None, None]
        if flow.documents is not None:
            mask = mask & (flow.documents[:, None, flow.start :, None] == flow.documents[:, None, None, :])
        if flow.padding is not None:
            mask = (mask & flow.padding[:, None, None, :]) | (query == key)
        return mask

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        shape = (batch, self.heads, length, self.width // self.heads)
        return {"keys": like.new_zeros(shape), "values": like.new_zeros(shape)}


def turned(x: Tensor, positions: Tensor) -> Tensor:
    """Heads [B, H, T, D] with each pair of features turned by its position."""
    speeds = 10.0 ** -torch.linspace(0, 1, x.shape[-1] // 2, dtype=x.dtype)
    angles = positions[..., None].to(x.dtype) * speeds
    angles = angles if positions.ndim == 1 else angles[:, None]
    a, b = x.chunk(2, -1)
    return torch.cat((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), -1)


def attention(module: type[Tiny] = Tiny, ordered: bool = True) -> AttentionPart:
    class Planted(AttentionPart):
        """An attention with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> Any:
            return module(site.width, site.causal)

        def sees_order(self) -> bool:
            return ordered

    return Planted()


class OffByOne(Tiny):
    def sees(self, query, key, flow):
        return super().sees(query + 1, key, flow)


class WrongBeyondTheWindow(Tiny):
    def sees(self, query, key, flow):
        return super().sees(query, key, flow) | (query >= 2 * self.window)


class WeightsNormalisedOverQueries(Tiny):
    def weights(self, scores, mask):
        return scores.masked_fill(~mask, -torch.inf).softmax(-2).nan_to_num()


class MaskedAfterSoftmax(Tiny):
    def weights(self, scores, mask):
        return scores.softmax(-1) * mask


class HeadsSplitWithoutTransposing(Tiny):
    def split(self, x):
        return x.reshape(len(x), self.heads, x.shape[1], -1)


class CountsFromZeroInEveryPass(Tiny):
    def positions(self, flow):
        return torch.arange(flow.length)


class RotatesOneTooFarWhenDecoding(Tiny):
    def positions(self, flow):
        return flow.positions + (flow.start > 0)


class CachesBeforeRotation(Tiny):
    def forward(self, x, flow, state=None):
        queries, keys, values = (self.split(y) for y in self.project(x).chunk(3, -1))
        keys, values = self.remember(keys, values, flow, state)
        keys = turned(keys, torch.arange(flow.end) if state is None else torch.zeros(flow.end))
        heads = self.weights(self.scores(self.rotate(queries, flow), keys), self.mask(flow)) @ values
        return self.output(self.join(heads))


class NoWindowWhenDecoding(Tiny):
    def sees(self, query, key, flow):
        return key <= query if flow.start else super().sees(query, key, flow)


class ChunksDoNotSeeThemselves(Tiny):
    def sees(self, query, key, flow):
        return super().sees(query, key, flow) & ((key < max(flow.start, 1)) | (key == query) | (flow.start == 0))


class ScaledByLength(Tiny):
    def scores(self, queries, keys):
        return super().scores(queries, keys) / math.log(1 + keys.shape[2])


class StateKeptInTheModule(Tiny):
    def empty_state(self, batch, length, like):
        if not hasattr(self, "kept"):
            self.kept = super().empty_state(batch, length, like)
        return {"sums": like.new_zeros(batch, 1)}

    def remember(self, keys, values, flow, state):
        if state is None:
            return keys, values
        self.kept["keys"][:, :, flow.start : flow.end] += keys
        self.kept["values"][:, :, flow.start : flow.end] += values
        return self.kept["keys"][:, :, : flow.end], self.kept["values"][:, :, : flow.end]


class NoRoomForTheLastToken(Tiny):
    def remember(self, keys, values, flow, state):
        keys, values = super().remember(keys, values, flow, state)
        if state is not None and flow.end == state["keys"].shape[2]:
            keys = torch.cat((keys[:, :, :-1], torch.zeros_like(keys[:, :, -1:])), 2)
        return keys, values


class OneCacheForAllRows(Tiny):
    def remember(self, keys, values, flow, state):
        keys, values = super().remember(keys, values, flow, state)
        return (keys, values) if state is None else (keys[:1].expand_as(keys), values)


class KeepsTheNewestFirst(Tiny):
    """Its cache fills from the end, so that what lies there cannot move with the tokens."""

    def remember(self, keys, values, flow, state):
        if state is None:
            return keys, values
        turned = {name: tensor.flip(2) for name, tensor in state.items()}
        keys, values = super().remember(keys, values, flow, turned)
        for name, tensor in turned.items():
            state[name].copy_(tensor.flip(2))
        return keys, values


class PaddingScoredLow(Tiny):
    def weights(self, scores, mask):
        return scores.masked_fill(~mask, -5.0).softmax(-1)


class PaddingMaskedOffByOne(Tiny):
    def mask(self, flow):
        if flow.padding is None:
            return super().mask(flow)
        shifted = torch.cat((flow.padding[:, 1:], flow.padding[:, -1:]), 1)
        return super().mask(Flow(flow.positions, flow.start, shifted, flow.documents))


class NothingToSeeInARowOfPadding(Tiny):
    def mask(self, flow):
        mask = super().mask(Flow(flow.positions, flow.start, None, flow.documents))
        return mask if flow.padding is None else mask & flow.padding[:, None, None, :]


class DocumentsSeeTheOneBefore(Tiny):
    def mask(self, flow):
        if flow.documents is None:
            return super().mask(flow)
        near = (flow.documents[:, None, flow.start :, None] - flow.documents[:, None, None, :]).abs() <= 1
        return super().mask(Flow(flow.positions, flow.start)) & near


class NormOverTime(Tiny):
    """A norm whose statistics run over the positions so far, padding included."""

    def forward(self, x, flow, state=None):
        mean = x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]
        return super().forward(x - mean, flow, state)


for mistake, wrong, check in (
    ("a causal mask off by one", OffByOne, mixers.the_future_is_not_seen),
    ("a mask wrong beyond the window only", WrongBeyondTheWindow, mixers.the_future_is_not_seen),
    ("softmax over the queries", WeightsNormalisedOverQueries, mixers.the_future_is_not_seen),
    ("a mask after the softmax", MaskedAfterSoftmax, mixers.the_future_is_not_seen),
    ("heads split without transposing", HeadsSplitWithoutTransposing, mixers.the_future_is_not_seen),
    ("positions from zero in each pass", CountsFromZeroInEveryPass, mixers.decoding_in_pieces_equals_one_pass),
    ("rotation one too far in decoding", RotatesOneTooFarWhenDecoding, mixers.decoding_in_pieces_equals_one_pass),
    ("keys cached before rotation", CachesBeforeRotation, mixers.decoding_in_pieces_equals_one_pass),
    ("no window in decoding", NoWindowWhenDecoding, mixers.decoding_in_pieces_equals_one_pass),
    ("a chunk that sees only the cache", ChunksDoNotSeeThemselves, mixers.decoding_in_pieces_equals_one_pass),
    ("scores scaled by the length so far", ScaledByLength, mixers.decoding_in_pieces_equals_one_pass),
    ("a state kept from text to text", StateKeptInTheModule, mixers.states_begin_empty),
    ("no room for the last token", NoRoomForTheLastToken, mixers.decoding_goes_on_to_the_end_of_the_context),
    ("one row's cache for all", OneCacheForAllRows, mixers.states_can_be_reordered),
    ("the newest token first in the cache", KeepsTheNewestFirst, mixers.a_text_can_begin_while_others_go_on),
    ("padding with a low score", PaddingScoredLow, mixers.padding_is_not_read),
    ("padding masked off by one", PaddingMaskedOffByOne, mixers.padding_is_not_read),
    ("a row of padding sees nothing", NothingToSeeInARowOfPadding, mixers.nothing_but_padding_stays_finite),
    ("documents see the one before", DocumentsSeeTheOneBefore, mixers.packed_documents_are_apart),
    ("padding leaks through a norm over time", NormOverTime, mixers.padding_is_not_read),
):
    KILLS.plant(check, mistake, attention, partial(attention, wrong), SITE)


class Unordered(Tiny):
    """Without positions and window, so that order does not matter."""

    def rotate(self, x, flow):
        return x

    def sees(self, query, key, flow):
        return (key >= 0).expand(flow.length, -1)


class SecretlyOrdered(Unordered):
    def scores(self, queries, keys):
        return super().scores(queries, keys) + 0.1 * torch.arange(keys.shape[2])


unordered: Callable[[], AttentionPart] = partial(attention, Unordered, ordered=False)
KILLS.plant(
    mixers.without_positions_order_does_not_matter,
    "a bias to later keys",
    unordered,
    partial(attention, SecretlyOrdered, ordered=False),
    ENCODER,
)
