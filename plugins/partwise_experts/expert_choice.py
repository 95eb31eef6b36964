"""Experts that choose tokens (Zhou et al. 2022, arXiv:2202.09368)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from partwise.modules import Flow, Routing

from .scores import Scores, add_z_loss, best


class ExpertChoiceRouter(nn.Module):
    """S = softmax(x W) over the experts; each expert takes, in each row of n tokens, the ceil(n * capacity / E) of the
    highest S, and weighs what it gives by it (section 3.2). Every expert has the same load by construction.

    The paper chooses among all tokens of a batch. Here each row is chosen from by itself, so that a text's result does
    not depend on the texts beside it.
    """

    def __init__(self, width: int, experts: int, capacity: float, z_loss: float) -> None:
        super().__init__()
        self.scores = Scores(width, experts)
        self.experts, self.capacity, self.z_loss = experts, capacity, z_loss

    def forward(self, x: Tensor, flow: Flow) -> Routing:
        B, T = x.shape[:2]
        logits = self.scores(x)
        shares = logits.softmax(-1).transpose(1, 2)  # [B, E, T]
        most = min(T, math.ceil(T * self.capacity / self.experts))
        there = flow.counted
        tokens = best(shares if there is None else shares.masked_fill(~there[:, None], -1), most)  # [B, E, most]
        weights = shares.gather(-1, tokens)
        if there is not None:  # a shorter row's experts take fewer
            takes = (there.sum(1) * self.capacity / self.experts).ceil()
            rank = torch.arange(most, device=x.device)
            weights = weights * (rank < takes[:, None, None])
        if self.training:
            add_z_loss(flow, logits, self.z_loss)
        row = torch.arange(B, device=x.device)[:, None, None]
        expert = torch.arange(self.experts, device=x.device)[:, None].expand_as(tokens)
        return Routing(expert.flatten(), weights.flatten(), (tokens + T * row).flatten())

    def extra_repr(self) -> str:
        return f"capacity={self.capacity:g}"
