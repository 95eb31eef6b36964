"""Mistakes in routers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from partwise.modules import Flow, Routing
from partwise.parts import RouterPart
from partwise.testing.checks import routers

from .planting import Kills

KILLS = Kills()
SITE = RouterPart.sites()["decoder"]


class TopTwo(nn.Module):
    """The two experts of the highest scores, weighed by a softmax."""

    def __init__(self, width: int, experts: int) -> None:
        super().__init__()
        self.scores = nn.Linear(width, experts, bias=False)

    def forward(self, x: Tensor, flow: Flow) -> Routing:
        scores = self.scores(x).flatten(0, 1)
        experts = self.choose(scores)
        return Routing(experts, self.weigh(scores.gather(-1, experts)))

    def choose(self, scores: Tensor) -> Tensor:
        return scores.argsort(dim=-1, descending=True, stable=True)[:, :2]

    def weigh(self, scores: Tensor) -> Tensor:
        return scores.softmax(-1)


class TwiceTheSame(TopTwo):
    def choose(self, scores):
        return super().choose(scores)[:, :1].expand(-1, 2)


class WeighedByScores(TopTwo):
    def weigh(self, scores):
        return scores


class ByTheMeanOfAll(TopTwo):
    def choose(self, scores):
        return super().choose(scores - scores.mean(0))


class TiesByPlace(TopTwo):
    def choose(self, scores):
        return super().choose(scores + 1e-4 * torch.arange(len(scores))[:, None] * torch.arange(scores.shape[1]))


def router(module: type[TopTwo]) -> RouterPart:
    class Some(RouterPart):
        """A router."""

        name = "some"

        def build(self, site: Any) -> Any:
            return module(site.width, site.experts)

    return Some()


MISTAKES = (
    (routers.it_chooses_among_its_experts, TwiceTheSame),
    (routers.it_chooses_among_its_experts, WeighedByScores),
    (routers.it_routes_each_position_by_itself, ByTheMeanOfAll),
    (routers.equal_scores_are_decided_alike, TiesByPlace),
)
for check, mistake in MISTAKES:
    KILLS.plant(check, mistake.__name__, lambda: router(TopTwo), lambda mistake=mistake: router(mistake), SITE)
