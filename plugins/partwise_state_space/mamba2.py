"""Mamba-2's mixer (Dao & Gu 2024, arXiv:2405.21060, section 7.1, figure 6).

    z_t, (x, B, C)_t, d_t = W_in u_t
    x_t, B_t, C_t <- silu(conv(x, B, C)_t)
    dt_t = softplus(d_t + b_dt)
    h_t = exp(dt_t A) h_{t-1} + dt_t B_t x_t^T       for each head; A = -exp(A_log) is one number
    y_t = W_out norm((h_t^T C_t + D x_t) * silu(z_t))

Shapes: B batch, T positions, C width, D inner features in G groups of R heads of P features, N state size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import CausalConvolution, Flow, Shown, State, exact_dtype, in_float32

from .duality import Heads, state_space_dual
from .steps import Steps

RATES = (1.0, 16.0)
"""Between which numbers -A begins."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the inside."""

    groups: int
    """G, each with vectors B and C of its own."""
    heads: int
    """R, heads of a group."""
    head_width: int
    """P."""
    state: int
    """N."""

    @property
    def features(self) -> int:
        """D."""
        return self.groups * self.heads * self.head_width

    @property
    def convolved(self) -> list[int]:
        """Sizes of x, B and C."""
        return [self.features, self.groups * self.state, self.groups * self.state]


class Mamba2(nn.Module):
    """x [B, T, C] to [B, T, C]. A state is {"inputs": [B, K - 1, D + 2 G N], "state": [B, G, N, R, P]}, the latter in
    float32 at least."""

    def __init__(self, width: int, shape: Shape, kernel: int, bias: bool, eps: float, steps: Steps) -> None:
        super().__init__()
        self.shape, self.steps = shape, steps
        heads = shape.groups * shape.heads
        self.sizes = [shape.features, sum(shape.convolved), heads]
        self.input = nn.Linear(width, sum(self.sizes), bias=bias)
        self.input.stacked = [shape.features, *shape.convolved, heads]  # type: ignore[assignment]
        self.convolution = CausalConvolution(sum(shape.convolved), kernel)
        self.step_bias = nn.Parameter(torch.empty(heads))
        self.A_log = nn.Parameter(torch.empty(heads))
        self.D = nn.Parameter(torch.empty(heads))
        self.norm = GatedNorm(shape.features, shape.groups, eps)
        self.output = nn.Linear(shape.features, width, bias=bias)
        self.output.ends_residual_branch = True  # type: ignore[assignment]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """-A is drawn evenly from 1 to 16, and D is 1."""
        self.steps.draw_bias(self.step_bias)
        with torch.no_grad():
            self.A_log.uniform_(*RATES).log_()
        nn.init.ones_(self.D)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        gate, x, _, heads = self._read(x, flow, state)
        y, last = state_space_dual(heads, None if state is None else state["state"])
        if state is not None:
            state["state"].copy_(last)
        return self._end(y + self._skip(x), gate)

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        """What is read of the state is linear in x, so the weights are what is read of unit vectors in its place (Ali
        et al. 2024, arXiv:2403.01590); what skips the state is on the diagonal."""
        gate, values, steps, heads = self._read(x, flow, None)
        units = torch.eye(flow.length, dtype=values.dtype, device=x.device)[None, :, None, None, :]
        units = flow.clear_padding(units.expand(*values.shape[:4], flow.length))
        read, _ = state_space_dual(replace(heads, x=units * steps), None)
        weights = (read + self._skip(units)).flatten(2, 3).transpose(1, 2)
        values = values.flatten(2, 3).transpose(1, 2)
        return Shown(weights, values, lambda y: self._end(y.transpose(1, 2), gate), adds_up=False)

    def _read(self, x: Tensor, flow: Flow, state: State | None) -> tuple[Tensor, Tensor, Tensor, Heads]:
        """The gate, x [B, T, G, R, P], the steps [B, T, G, R, 1], and what the recurrence is given."""
        gate, mixed, steps = self.input(x).split_with_sizes(self.sizes, -1)
        mixed = flow.clear_padding(F.silu(self.convolution(mixed, flow, state)))
        dt = flow.clear_padding(F.softplus(in_float32(steps) + self.step_bias))
        return gate, *self._heads(mixed, dt, flow)

    def _skip(self, x: Tensor) -> Tensor:
        return self.D.view(*x.shape[2:4], 1) * x

    def _end(self, y: Tensor, gate: Tensor) -> Tensor:
        return self.output(self.norm(y.flatten(2), gate).to(gate.dtype))

    def _heads(self, mixed: Tensor, dt: Tensor, flow: Flow) -> tuple[Tensor, Tensor, Heads]:
        shape = self.shape
        x, write, read = mixed.split_with_sizes(shape.convolved, -1)
        x = x.unflatten(-1, (shape.groups, shape.heads, shape.head_width))
        write, read = (one.unflatten(-1, (shape.groups, shape.state)) for one in (write, read))
        rates = (-in_float32(self.A_log).exp() * dt).unflatten(-1, x.shape[2:4])
        steps = dt.unflatten(-1, x.shape[2:4]).unsqueeze(-1)
        return x, steps, Heads((x * steps).to(x.dtype), rates, write, read, flow.begins)

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        """Zeros, of the same size for every length."""
        sizes = (self.shape.groups, self.shape.state, self.shape.heads, self.shape.head_width)
        empty = like.new_zeros(batch, *sizes, dtype=exact_dtype(like.dtype))
        return {**self.convolution.empty_state(batch, length, like), "state": empty}


class GatedNorm(nn.Module):
    """x * silu(gate), divided by the root mean square of its group of features, times a gain per feature."""

    def __init__(self, features: int, groups: int, eps: float) -> None:
        super().__init__()
        self.groups, self.eps = groups, eps
        self.weight = nn.Parameter(torch.empty(features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        """In float32 at least."""
        gated = (in_float32(x) * F.silu(in_float32(gate))).unflatten(-1, (self.groups, -1))
        return F.rms_norm(gated, gated.shape[-1:], eps=self.eps).flatten(-2) * self.weight
