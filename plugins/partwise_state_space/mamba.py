"""Mamba's mixer (Gu & Dao 2023, arXiv:2312.00752, section 3.4 and algorithm 2).

    x_t, z_t = W_in u_t
    x_t <- silu(conv(x)_t)
    r_t, B_t, C_t = W_x x_t
    dt_t = softplus(W_dt r_t + b_dt)
    h_t = exp(dt_t A) * h_{t-1} + dt_t B_t x_t
    y_t = W_out ((C_t . h_t + D * x_t) * silu(z_t))

A = -exp(A_log) is diagonal: one number for each feature and each of its N states.

Shapes: B batch, T positions, C width, D inner features, N state size, R rank of the steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import CausalConvolution, Flow, State, exact_dtype, in_float32

from .selective_scan import Selection, selective_scan
from .steps import Steps


class Mamba(nn.Module):
    """x [B, T, C] to [B, T, C]. A state is {"inputs": [B, K - 1, D], "state": [B, N, D]}, the latter in float32 at
    least: in half precision, what is added to a long memory would be lost."""

    parameter_roles: ClassVar[Mapping[str, str]] = {"A_log": "decay"}

    def __init__(self, width: int, features: int, state: int, rank: int, kernel: int, bias: bool, steps: Steps) -> None:
        super().__init__()
        self.sizes = [rank, state, state]
        self.input = nn.Linear(width, 2 * features, bias=bias)
        self.input.stacked = [features, features]  # type: ignore[assignment]
        self.convolution = CausalConvolution(features, kernel)
        self.selection = nn.Linear(features, sum(self.sizes), bias=False)
        self.selection.stacked = self.sizes  # type: ignore[assignment]
        self.step = StepProjection(rank, features, steps)
        self.A_log = nn.Parameter(torch.empty(features, state))
        self.D = nn.Parameter(torch.empty(features))
        self.output = nn.Linear(features, width, bias=bias)
        self.output.ends_residual_branch = True  # type: ignore[assignment]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """A is -1, -2, ..., -N in every feature (S4D-Real), D is 1."""
        with torch.no_grad():
            self.A_log.copy_(torch.arange(1.0, self.A_log.shape[1] + 1).log().expand_as(self.A_log))
        nn.init.ones_(self.D)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        x, gate = self.input(x).chunk(2, -1)
        x = F.silu(self.convolution(x, flow, state))
        ranks, write, read = self.selection(x).split_with_sizes(self.sizes, -1)
        dt = flow.clear_padding(self.step(ranks))
        rates = -in_float32(self.A_log).exp().t()
        before = None if state is None else state["state"]
        y, last = selective_scan(Selection(x, dt, rates, write, read, flow.begins), before)
        if state is not None:
            state["state"].copy_(last)
        y = (y + self.D * x) * F.silu(gate)
        return self.output(y.to(x.dtype))

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        """Zeros, of the same size for every length."""
        empty = like.new_zeros(batch, *self.A_log.t().shape, dtype=exact_dtype(like.dtype))
        return {**self.convolution.empty_state(batch, length, like), "state": empty}


class StepProjection(nn.Module):
    """The sizes of the steps, softplus(W r + b), in float32 at least; initialisers of linear layers leave it alone."""

    def __init__(self, rank: int, features: int, steps: Steps) -> None:
        super().__init__()
        self.steps = steps
        self.weight = nn.Parameter(torch.empty(features, rank))
        self.bias = nn.Parameter(torch.empty(features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The weights keep the variance of what they are given; softplus of the bias is a step as asked for."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        nn.init.uniform_(self.weight, -bound, bound)
        self.steps.draw_bias(self.bias)

    def forward(self, ranks: Tensor) -> Tensor:
        return F.softplus(in_float32(F.linear(ranks, self.weight)) + self.bias)
