"""Recurrences whose gates do not see the state (Feng et al. 2024, arXiv:2410.01201, sections 3.1 and 3.2).

minGRU:   h_t = (1 - z_t) * h_{t-1} + z_t * n_t             z_t = sigma(W_z x_t + b_z)
minLSTM:  h_t = f'_t * h_{t-1} + i'_t * n_t                 f'_t = f_t / (f_t + i_t), i'_t = i_t / (f_t + i_t)

with n_t = g(W_n x_t + b_n). Both are kept in [0, 1] exactly: 1 - sigma(k) is sigma(-k), and f / (f + i) is the sigma of
log f - log i. So nothing needs logarithms of states, as the paper's form for the parallel scan does.

Shapes: B batch, T positions, C width, D features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import Flow, State, in_float32

from . import reading


class Minimal(nn.Module):
    """x [B, T, C] to [B, T, C]. A state is {"hidden": [B, D]}, in float32 at least.

    If D is not C, a linear layer without bias follows. Subclasses say what each position keeps and takes in.
    """

    def __init__(self, width: int, features: int, positive: bool, biases: Sequence[float]) -> None:
        """One gate for each of `biases`, which begins with it."""
        super().__init__()
        self.positive, self.biases = positive, (*biases, 0.0)
        self.input = nn.Linear(width, len(self.biases) * features, bias=False)
        self.input.stacked = [features] * len(self.biases)  # type: ignore[assignment]
        self.bias = nn.Parameter(torch.empty(len(self.biases), features))
        self.output = None if features == width else nn.Linear(features, width, bias=False)
        if self.output is not None:
            self.output.ends_residual_branch = True  # type: ignore[assignment]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for bias, value in zip(self.bias, self.biases, strict=True):
            nn.init.constant_(bias, value)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        keep, take, candidate = self._read(x)
        if self.positive:
            candidate = torch.where(candidate >= 0, candidate + 0.5, torch.sigmoid(candidate))
        hidden = reading.read(keep, take * candidate, flow, state).to(x.dtype)
        return hidden if self.output is None else self.output(hidden)

    def gates(self, x: Tensor, flow: Flow) -> dict[str, Tensor]:
        keep, take, _ = self._read(x)
        return {"keep": keep, "take": take}

    def _read(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shares of the state and of the candidate, and the candidate, [B, T, D] each."""
        read = in_float32(self.input(x)).unflatten(-1, self.bias.shape) + self.bias
        *gates, candidate = read.unbind(-2)
        return *self.shares(*gates), candidate

    def shares(self, *gates: Tensor) -> tuple[Tensor, Tensor]:
        """What is kept of the state, and what is taken of the candidate."""
        raise NotImplementedError

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return reading.empty(batch, self.bias.shape[1], like)


class MinGru(Minimal):
    """One gate: what is taken in takes the place of what was there."""

    def shares(self, *gates: Tensor) -> tuple[Tensor, Tensor]:
        (update,) = gates
        return torch.sigmoid(-update), torch.sigmoid(update)


class MinLstm(Minimal):
    """A forget and an input gate, scaled so that they add up to one."""

    def shares(self, *gates: Tensor) -> tuple[Tensor, Tensor]:
        forget, take = gates
        difference = F.logsigmoid(forget) - F.logsigmoid(take)
        return torch.sigmoid(difference), torch.sigmoid(-difference)
