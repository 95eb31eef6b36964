"""DeepSeek-V3's router (arXiv:2412.19437): sigmoid scores, groups of experts, balance by a bias."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from partwise.modules import Flow, Routing

from .scores import Scores, add_balance, best, counted


class SigmoidRouter(nn.Module):
    """Scores s_e = sigmoid((x W)_e) (eq. 15). The k experts of the highest s_e + b_e (eq. 16) are chosen, out of the
    `kept` groups whose two best have the highest sum (section 2.1.2). What each gives is weighed by s_e, over the sum
    of the chosen if `normalised` (eq. 13), times `scale`.

    The bias b has no gradient and serves the choice alone. After each update it rises by `step` where an expert had
    less than its share of the update's tokens, and falls where it had more (section 2.1.2; Wang et al. 2024,
    arXiv:2408.15664).
    """

    bias: Tensor
    load: Tensor

    def __init__(
        self,
        width: int,
        experts: int,
        k: int,
        groups: int,
        kept: int,
        normalised: bool,
        scale: float,
        step: float,
        balance: float,
    ) -> None:
        super().__init__()
        self.scores = Scores(width, experts)
        self.experts, self.k, self.groups, self.kept = experts, k, groups, kept
        self.normalised, self.scale, self.step, self.balance = normalised, scale, step, balance
        self.register_buffer("bias", torch.zeros(experts))
        # How many tokens chose each expert since the last update.
        self.register_buffer("load", torch.zeros(experts), persistent=False)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.bias)
        nn.init.zeros_(self.load)

    def forward(self, x: Tensor, flow: Flow) -> Routing:
        scores = self.scores(x).sigmoid()
        experts = best(self._within_groups(scores + self.bias), self.k)
        weights = scores.gather(-1, experts)
        if self.normalised:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
        if self.training:
            add_balance(flow, scores / scores.sum(-1, keepdim=True), experts, self.balance, by_row=True)
            with torch.no_grad():
                self.load += counted(experts, self.experts, flow).sum(0).to(self.load.dtype)
        return Routing(experts.flatten(0, 1), weights.flatten(0, 1) * self.scale)

    def _within_groups(self, scores: Tensor) -> Tensor:
        """The scores, with minus infinity outside of the groups that are kept."""
        if self.kept == self.groups:
            return scores
        by_group = scores.unflatten(-1, (self.groups, -1))
        sums = by_group.topk(min(2, by_group.shape[-1]), dim=-1).values.sum(-1)
        kept = torch.zeros_like(sums, dtype=torch.bool).scatter(-1, best(sums, self.kept), True)
        return by_group.masked_fill(~kept[..., None], -torch.inf).flatten(-2)

    def after_update(self, total: Callable[[Tensor], Tensor]) -> None:
        """Moves the bias by the load of all processes since the last update."""
        load = total(self.load.clone())
        self.bias += self.step * torch.sign(load.mean() - load)
        self.load.zero_()

    def extra_repr(self) -> str:
        return f"k={self.k}, groups={self.groups}, kept={self.kept}"
