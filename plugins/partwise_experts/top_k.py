"""The experts with the highest scores, weighed by a softmax."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from partwise.modules import Flow, Routing

from .scores import Scores, add_balance, add_z_loss, best


class TopKRouter(nn.Module):
    """The k experts e of the highest logit h_e = (x W)_e, with the weights

    after:    exp(h_e) / (sum over the chosen)     Shazeer et al. 2017, arXiv:1701.06538, eq. 3 to 5
    before:   exp(h_e) / (sum over all experts)    Fedus et al. 2022, arXiv:2101.03961, eq. 1

    where `scores` may add noise to the logits.
    """

    def __init__(
        self, scores: Scores, k: int, softmax: Literal["before", "after"], balance: float, z_loss: float
    ) -> None:
        super().__init__()
        self.scores = scores
        self.k, self.softmax = k, softmax
        self.balance, self.z_loss = balance, z_loss

    def forward(self, x: Tensor, flow: Flow) -> Routing:
        logits = self.scores(x)
        experts = best(logits, self.k)
        if self.softmax == "after":
            weights = logits.gather(-1, experts).softmax(-1)
        else:
            weights = logits.softmax(-1).gather(-1, experts)
        if self.training:
            add_balance(flow, logits.softmax(-1), experts, self.balance)
            add_z_loss(flow, logits, self.z_loss)
        return Routing(experts.flatten(0, 1), weights.flatten(0, 1))

    def extra_repr(self) -> str:
        return f"k={self.k}, softmax={self.softmax}"
