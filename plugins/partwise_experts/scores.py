"""What routers share: scores in full precision, the best of them, and the losses that keep experts busy.

Shapes: B batch, T positions, N = B * T tokens, C width, E experts, K experts for each token.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import Flow, in_float32


class Scores(nn.Linear):
    """x [B, T, C] to a score for each expert, [B, T, E].

    Always in float32 at least: a choice that rounding can change is no longer a function of the text (selective
    precision; Fedus et al. 2022, arXiv:2101.03961, section 2.4).
    """

    parameter_roles = {"weight": "router"}  # noqa: RUF012 - nobody changes it

    def __init__(self, width: int, experts: int, bias: bool = False) -> None:
        super().__init__(width, experts, bias)

    def forward(self, x: Tensor) -> Tensor:
        weight, x = in_float32(self.weight), in_float32(x)
        bias = None if self.bias is None else in_float32(self.bias)
        kind = x.device.type
        if kind == "meta" or not torch.is_autocast_enabled(kind):
            return F.linear(x, weight, bias)
        with torch.autocast(kind, enabled=False):
            return F.linear(x, weight, bias)


def best(scores: Tensor, count: int) -> Tensor:
    """Indices [..., count] of the largest of [..., E], the largest first; of equal ones the first."""
    return scores.argsort(dim=-1, descending=True, stable=True)[..., :count]


def counted(experts: Tensor, count: int, flow: Flow) -> Tensor:
    """How many tokens of each row chose each expert, [B, E] float32, from choices [B, T, K]; padding has none."""
    ones = torch.ones_like(experts, dtype=torch.float32)
    if flow.counted is not None:
        ones = ones * flow.counted[..., None]
    zeros = ones.new_zeros(experts.shape[0], count)
    return zeros.scatter_add(1, experts.flatten(1), ones.flatten(1))


def mean_over_tokens(values: Tensor, flow: Flow) -> Tensor:
    """The mean of [B, T, ...] over the tokens of each row, [B, ...]; padding is no token."""
    if flow.counted is None:
        return values.mean(1)
    there = flow.counted.view(*flow.counted.shape, *[1] * (values.ndim - 2)).to(values.dtype)
    return (values * there).sum(1) / there.sum(1).clamp_min(1)


def add_balance(flow: Flow, probabilities: Tensor, experts: Tensor, weight: float, by_row: bool = False) -> None:
    """Adds the loss that is 1 where all experts are chosen equally often, and E where one is chosen always.

    It is E times the sum over experts of (share of the choices) * (mean probability), over the batch (Fedus et al.
    2022, arXiv:2101.03961, eq. 4 to 6; for several experts per token Lepikhin et al. 2021, arXiv:2006.16668), or over
    each row, of which it is then the mean (DeepSeek-V3, arXiv:2412.19437, eq. 17 to 20). Choices have no gradient.

    Args:
        probabilities: [B, T, E].
        experts: [B, T, K], the choices.
    """
    if not weight:
        return
    count = probabilities.shape[-1]
    chosen, means = counted(experts, count, flow), mean_over_tokens(probabilities, flow)
    if not by_row:
        tokens = chosen.sum(-1, keepdim=True)
        means = (means * tokens).sum(0, keepdim=True) / tokens.sum().clamp_min(1)
        chosen = chosen.sum(0, keepdim=True)
    shares = chosen / chosen.sum(-1, keepdim=True).clamp_min(1)
    flow.add_term("expert_balance", count * (shares.to(means.dtype) * means).sum(-1).mean(), weight)


def add_z_loss(flow: Flow, logits: Tensor, weight: float) -> None:
    """Adds the mean over tokens of log(sum(exp(logits)))^2 (ST-MoE, Zoph et al. 2022, arXiv:2202.08906, eq. 5)."""
    if not weight:
        return
    squares = mean_over_tokens(logits.logsumexp(-1).square()[..., None], flow)[..., 0]
    if flow.counted is not None:  # rows weigh by their tokens
        tokens = flow.counted.sum(1)
        squares = squares * tokens * tokens.shape[0] / tokens.sum().clamp_min(1)
    flow.add_term("router_z", squares.mean(), weight)
