"""DeltaNet (Yang et al. 2024, arXiv:2406.06484)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .delta import DeltaRule
from .inputs import Inputs
from .kernels import DELTA, rule_for
from .memory import empty_matrix, exact, implied, remember
from .shape import Heads

if TYPE_CHECKING:
    from partwise.modules import Flow, Shown, State


class DeltaNet(nn.Module):
    """x [B, T, C] to [B, T, C] by H matrices S [K, V], in which the value of a key is replaced.

        q_t, k_t, v_t = silu(convolution(linear map of x))_t; q_t and k_t of length 1
        beta_t = largest * sigmoid(W_beta x_t)
        S_t = (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T,   o_t = S_t^T q_t
        y_t = W_o norm(o_t)

    `norm` acts on each head, [.., V]. The eigenvalues of a step are 1, and 1 - beta in the direction of the key.
    """

    kernel = DELTA

    def __init__(
        self, width: int, heads: Heads, kernel: int, largest: float, norm: nn.Module, backend: str = "torch"
    ) -> None:
        super().__init__()
        self.heads, self.largest = heads, largest
        self.inputs = Inputs(width, heads, kernel)
        self.beta = nn.Linear(width, heads.count, bias=False)
        self.norm = norm
        self.output = nn.Linear(heads.values, width, bias=False)
        self.output.ends_residual_branch = True  # type: ignore[assignment]
        self.rule = rule_for(backend, DeltaRule(), self.kernel)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        x = flow.clear_padding(x)
        return self._end(remember(self.rule, self._brought(x, flow, state), flow, state), x)

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        x = flow.clear_padding(x)
        return implied(self.rule, self._brought(x, flow, None), flow, lambda o: self._end(o, x))

    def _brought(self, x: Tensor, flow: Flow, state: State | None) -> tuple[Tensor, ...]:
        q, k, v = self.inputs(x, flow, None if state is None else state["inputs"])
        beta = self.largest * torch.sigmoid(self.beta(x).to(exact(x)))
        beta = flow.clear_padding(beta).unsqueeze(-1)
        return q, k, v, beta, self._log_decay(x, flow, beta)

    def _end(self, o: Tensor, x: Tensor) -> Tensor:
        return self.output(self._read(self.norm(o.to(x.dtype)).flatten(-2), x))

    def _log_decay(self, x: Tensor, flow: Flow, beta: Tensor) -> Tensor:
        """[B, T, H, 1]; nothing fades."""
        return torch.zeros_like(beta)

    def _read(self, o: Tensor, x: Tensor) -> Tensor:
        """What the output layer is given, [B, T, H * V]."""
        return o

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return {**empty_matrix(batch, self.heads, like), "inputs": self.inputs.empty_state(batch, length, like)}

    def extra_repr(self) -> str:
        return f"{self.heads}, beta below {self.largest:g}"
