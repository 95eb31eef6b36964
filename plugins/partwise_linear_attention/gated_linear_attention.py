"""Gated linear attention (Yang et al. 2023, arXiv:2312.06635, section 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from .fading import FadingByFeature
from .kernels import GATED_LINEAR_ATTENTION, rule_for
from .memory import empty_matrix, exact, implied, remember
from .shape import Heads

if TYPE_CHECKING:
    from partwise.modules import Flow, Shown, State


class GatedLinearAttention(nn.Module):
    """x [B, T, C] to [B, T, C] by H matrices S [K, V], in which each feature of a key fades at a rate of its own.

        q_t, k_t, v_t = linear maps of x_t
        alpha_t = sigmoid(W_2 W_1 x_t + b) ** (1 / divisor)
        S_t = diag(alpha_t) S_{t-1} + k_t v_t^T,   o_t = S_t^T q_t / sqrt(K)
        y_t = W_o (silu(W_r x_t + b_r) * norm(o_t))

    `norm` acts on each head, [.., V]. The rank of W_2 W_1 is `rank`.
    """

    def __init__(
        self, width: int, heads: Heads, rank: int, divisor: float, norm: nn.Module, backend: str = "torch"
    ) -> None:
        super().__init__()
        self.heads, self.divisor = heads, divisor
        self.sizes = [heads.keys, heads.keys, heads.values]
        self.project = nn.Linear(width, sum(self.sizes), bias=False)
        self.project.stacked = self.sizes  # type: ignore[assignment]
        self.decay = nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, heads.keys))
        self.gate = nn.Linear(width, heads.values)
        self.norm = norm
        self.output = nn.Linear(heads.values, width, bias=False)
        self.output.ends_residual_branch = True  # type: ignore[assignment]
        self.rule = rule_for(backend, FadingByFeature(), GATED_LINEAR_ATTENTION)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        x = flow.clear_padding(x)
        return self._end(remember(self.rule, self._brought(x, flow), flow, state), x)

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        x = flow.clear_padding(x)
        return implied(self.rule, self._brought(x, flow), flow, lambda o: self._end(o, x))

    def _brought(self, x: Tensor, flow: Flow) -> tuple[Tensor, ...]:
        q, k, v = (self.heads.split(part) for part in self.project(x).split(self.sizes, -1))
        log_decay = flow.clear_padding(F.logsigmoid(self.decay(x).to(exact(x))) / self.divisor)
        return q * self.heads.key**-0.5, k, v, self.heads.split(log_decay)

    def _end(self, o: Tensor, x: Tensor) -> Tensor:
        return self.output(F.silu(self.gate(x)) * self.norm(o.to(x.dtype)).flatten(-2))

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return empty_matrix(batch, self.heads, like)

    def extra_repr(self) -> str:
        return f"{self.heads}, divisor={self.divisor:g}"
