"""Mistakes in what mixers show of themselves: each computes what it should, and says that it were something else."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from partwise.modules import Shown
from partwise.testing.checks import showing

from .mixers import LAYER, Decay, part_of
from .planting import Kills

KILLS = Kills()


class Showing(Decay):
    """The position s has a weight of 2 ** (s - t) at t, as far as it is of the same document, and no padding."""

    def shown(self, x, flow):
        place = torch.arange(flow.length)
        weights = torch.where(place <= place[:, None], 0.5 ** (place[:, None] - place).clamp(min=0), 0.0)
        weights = weights.expand(len(x), 1, -1, -1)
        if flow.documents is not None:
            weights = weights * (flow.documents[:, :, None] == flow.documents[:, None, :])[:, None]
        if flow.padding is not None:
            weights = weights * flow.padding[:, None, None, :]
        return Shown(weights, self.linear(x).unsqueeze(1), lambda heads: heads.squeeze(1), adds_up=False)

    def gates(self, x, flow):
        return {"half": torch.sigmoid(x)}


class ShowsOtherWeights(Showing):
    def shown(self, x, flow):
        shown = super().shown(x, flow)
        return replace(shown, weights=shown.weights**2)


class ShowsPadding(Showing):
    def shown(self, x, flow):
        return super().shown(x, replace(flow, padding=None))


class AddsUpTo(Showing):
    """Shares, if there are any: rows are divided by their sums, and values hold what is missing."""

    share = 1.0

    def shown(self, x, flow):
        shown = super().shown(x, flow)
        weights = self.share * shown.weights / shown.weights.sum(-1, keepdim=True).clamp(min=0.5)
        return replace(shown, weights=weights, adds_up=True)


class AddsUpToLess(AddsUpTo):
    share = 0.9


class SeesAhead(Showing):
    def shown(self, x, flow):
        shown = super().shown(x, flow)
        return replace(shown, weights=shown.weights + 1e-6)


class GatesSeeAhead(Showing):
    def gates(self, x, flow):
        return {"half": torch.sigmoid(x + x.mean(1, keepdim=True))}


class GatesAreLogits(Showing):
    def gates(self, x, flow):
        return {"half": x}


class GatesOfOnePosition(Showing):
    def gates(self, x, flow):
        return {"half": torch.sigmoid(x[:, -1])}


class DropsOutWhenLookedAt(Showing):
    def shown(self, x, flow):
        shown = super().shown(x, flow)
        return replace(shown, weights=torch.nn.functional.dropout(shown.weights, 0.5, self.training))


class LearnsFromLooking(Showing):
    def shown(self, x, flow):
        with torch.no_grad():
            self.linear.weight.add_(0.01)
        return super().shown(x, flow)


for mistake, right, wrong, check in (
    ("the squares of the weights are shown", Showing, ShowsOtherWeights, showing.what_it_shows_is_what_it_computes),
    ("padding has weights", Showing, ShowsPadding, showing.what_it_shows_is_what_it_computes),
    ("shares that add up to less", AddsUpTo, AddsUpToLess, showing.weights_that_add_up_are_shares),
    ("a weight of what comes later", Showing, SeesAhead, showing.the_future_has_no_weight),
    ("a gate that sees what comes later", Showing, GatesSeeAhead, showing.the_future_has_no_weight),
    ("gates before their sigmoid", Showing, GatesAreLogits, showing.gates_are_between_closed_and_open),
    ("gates of the last position", Showing, GatesOfOnePosition, showing.gates_are_between_closed_and_open),
    ("dropout where it is looked at", Showing, DropsOutWhenLookedAt, showing.looking_changes_nothing),
    ("weights changed by looking", Showing, LearnsFromLooking, showing.looking_changes_nothing),
):
    KILLS.plant(check, mistake, partial(part_of, right), partial(part_of, wrong), LAYER)
