"""Noise on the scores of experts, in training only, so that those which are hardly ever chosen are tried, too."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from partwise.modules import in_float32

from .scores import Scores


class NoisyScores(Scores):
    """x [B, T, C] to scores [B, T, E], in training

        h = (x * u) W + n * softplus(x W_noise),  u uniform in [1 - jitter, 1 + jitter], n standard normal

    and x W in evaluation. The factors u, one per feature of each token, are those of Switch (Fedus et al. 2021,
    arXiv:2101.03961), where jitter is 0.01; the sum is noisy top-k gating (Shazeer et al. 2017, arXiv:1701.06538,
    eq. 4), if the spread of the noise is learned. Both are drawn, as in dropout, from torch's random state, which
    checkpoints keep.
    """

    def __init__(self, width: int, experts: int, bias: bool, jitter: float, learned: bool) -> None:
        super().__init__(width, experts, bias)
        self.jitter = jitter
        self.spread = Scores(width, experts) if learned else None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        read = in_float32(x)
        if self.jitter:
            read = read * torch.empty_like(read).uniform_(1 - self.jitter, 1 + self.jitter)
        logits = super().forward(read)
        return logits if self.spread is None else logits + torch.randn_like(logits) * F.softplus(self.spread(x))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, jitter={self.jitter:g}"
