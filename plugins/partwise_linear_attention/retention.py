"""Multi-scale retention (Sun et al. 2023, arXiv:2307.08621, section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .fading import FadingByHead
from .kernels import RETENTION, rule_for
from .memory import empty_matrix, exact, implied, remember
from .shape import Heads

if TYPE_CHECKING:
    from partwise.modules import Flow, PositionEncoder, Shown, State


class Retention(nn.Module):
    """x [B, T, C] to [B, T, C] by H matrices S [K, V], which fade at fixed rates, another one in each head.

        q_t, k_t, v_t = linear maps of x_t; q_t and k_t are turned to position t
        S_t = gamma_h S_{t-1} + k_t v_t^T,   o_t = S_t^T q_t / sqrt(K),   gamma_h = 1 - 2 ** (-5 - h), h = 0, 1, ...
        y_t = W_o (silu(W_g x_t) * norm(o_t))

    `norm` acts on each head, [.., V]. `position` turns queries and keys; None leaves that to the pass.
    """

    def __init__(
        self, width: int, heads: Heads, norm: nn.Module, position: PositionEncoder | None = None, backend: str = "torch"
    ) -> None:
        super().__init__()
        self.heads = heads
        self.sizes = [heads.keys, heads.keys, heads.values, heads.values]
        self.project = nn.Linear(width, sum(self.sizes), bias=False)
        self.project.stacked = self.sizes  # type: ignore[assignment]
        self.position = position
        self.norm = norm
        self.output = nn.Linear(heads.values, width, bias=False)
        self.output.ends_residual_branch = True  # type: ignore[assignment]
        self.rule = rule_for(backend, FadingByHead(), RETENTION)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        *brought, gate = self._brought(flow.clear_padding(x), flow)
        return self._end(remember(self.rule, tuple(brought), flow, state).to(x.dtype), gate)

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        *brought, gate = self._brought(flow.clear_padding(x), flow)
        return implied(self.rule, tuple(brought), flow, lambda o: self._end(o.to(x.dtype), gate))

    def _brought(self, x: Tensor, flow: Flow) -> tuple[Tensor, ...]:
        """What tokens bring, and the gate of what is read."""
        shape = (self.heads.count, self.heads.key)
        placed = flow.for_heads(*shape) if self.position is None else flow.placed_by(self.position)
        queries, keys, values, gate = self.project(x).split(self.sizes, -1)
        q, k = (placed.rotate(self.heads.split(part).transpose(1, 2)).transpose(1, 2) for part in (queries, keys))
        v = self.heads.split(values)
        return q * self.heads.key**-0.5, k, v, self._log_decay(v, flow), gate

    def _end(self, o: Tensor, gate: Tensor) -> Tensor:
        return self.output(F.silu(gate) * self.norm(o).flatten(-2))

    def _log_decay(self, v: Tensor, flow: Flow) -> Tensor:
        """Logarithms of gamma, 0 at padding: [B, T, H, 1]."""
        head = torch.arange(self.heads.count, dtype=exact(v), device=v.device)
        gamma = torch.log1p(-torch.exp2(-5 - head))
        return flow.clear_padding(gamma[:, None].expand(*v.shape[:3], 1))

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return empty_matrix(batch, self.heads, like)

    def extra_repr(self) -> str:
        return str(self.heads)
