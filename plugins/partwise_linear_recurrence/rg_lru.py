"""Griffin's recurrent block (De et al. 2024, arXiv:2402.19427, section 2.3 and equations 1 to 4).

    x_t, y_t = conv(W_x u)_t, gelu(W_y u_t)
    r_t, i_t = sigma(W_a x_t + b_a), sigma(W_i x_t + b_i)
    log a_t = -c r_t softplus(L)
    h_t = a_t * h_{t-1} + sqrt(1 - a_t^2) * (i_t * x_t)
    output_t = W_o (h_t * y_t)

W_a and W_i are block-diagonal. At the first token of a text the root is 1, as in the authors' code.

Shapes: B batch, T positions, C width, D inner features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import CausalConvolution, Flow, State, in_float32

from . import reading

_LEAST = 1e-30
"""Of 1 - a^2, whose root has an infinite slope at 0."""


@dataclass(frozen=True)
class Memory:
    """How strongly features remember."""

    strength: float
    """c."""
    least: float
    """Least a with which a feature begins, at c r_t = 1."""
    most: float


class RgLru(nn.Module):
    """x [B, T, C] to [B, T, C]. A state is {"inputs": [B, K - 1, D], "hidden": [B, D]}, the latter in float32 at
    least."""

    def __init__(self, width: int, features: int, blocks: int, kernel: int, memory: Memory) -> None:
        super().__init__()
        self.memory = memory
        self.input = nn.Linear(width, 2 * features)
        self.input.stacked = [features, features]  # type: ignore[assignment]
        self.convolution = CausalConvolution(features, kernel)
        self.decay_gate = BlockDiagonal(features, blocks)
        self.input_gate = BlockDiagonal(features, blocks)
        self.decay = nn.Parameter(torch.empty(features))
        self.output = nn.Linear(features, width)
        self.output.ends_residual_branch = True  # type: ignore[assignment]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """exp(-softplus(L)) lies between the least and the most a, and its square is drawn evenly, as in the authors'
        code."""
        with torch.no_grad():
            a = self.decay.uniform_(self.memory.least**2, self.memory.most**2).sqrt_()
            self.decay.copy_((1 / a - 1).log())

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        x, gate = self.input(x).chunk(2, -1)
        x = self.convolution(x, flow, state)
        logs = self._log_decay(x)
        roots = torch.sqrt((-torch.expm1(2 * logs)).clamp_min(_LEAST))
        roots = torch.where((flow.positions == 0).unsqueeze(-1), 1, roots)
        taken = torch.sigmoid(in_float32(self.input_gate(x))) * x
        hidden = reading.read(logs.exp(), roots * taken, flow, state)
        return self.output(hidden.to(x.dtype) * F.gelu(gate, approximate="tanh"))

    def gates(self, x: Tensor, flow: Flow) -> dict[str, Tensor]:
        x = self.convolution(self.input(x).chunk(2, -1)[0], flow, None)
        return {"decay": self._log_decay(x).exp(), "input": torch.sigmoid(in_float32(self.input_gate(x)))}

    def _log_decay(self, x: Tensor) -> Tensor:
        pull = torch.sigmoid(in_float32(self.decay_gate(x)))
        return -self.memory.strength * pull * F.softplus(in_float32(self.decay))

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        convolution = self.convolution.empty_state(batch, length, like)
        return {**convolution, **reading.empty(batch, self.decay.shape[0], like)}


class BlockDiagonal(nn.Module):
    """A linear layer of D features, cut into blocks that do not see each other."""

    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        size = features // blocks
        self.weight = nn.Parameter(torch.empty(blocks, size, size))
        self.bias = nn.Parameter(torch.empty(features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.weight.shape[1] ** -0.5)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        blocks = x.unflatten(-1, self.weight.shape[:2])
        return torch.einsum("...bi,bij->...bj", blocks, self.weight).flatten(-2) + self.bias
