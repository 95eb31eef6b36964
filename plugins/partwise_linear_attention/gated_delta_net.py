"""Gated DeltaNet (Yang et al. 2024, arXiv:2412.06464)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .delta_net import DeltaNet
from .kernels import GATED_DELTA
from .memory import exact
from .shape import Heads

if TYPE_CHECKING:
    from partwise.modules import Flow


class GatedDeltaNet(DeltaNet):
    """A DeltaNet that also fades, and whose output is gated.

        alpha_t = exp(-exp(a) * softplus(W_alpha x_t + b))
        S_t = alpha_t (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T,   o_t = S_t^T q_t
        y_t = W_o (silu(W_g x_t) * norm(o_t))

    a and b are numbers per head, as in Mamba-2. At first exp(a) is drawn evenly from [1, 16], and softplus(b) from
    [0.001, 0.1], evenly in its logarithm.
    """

    kernel = GATED_DELTA

    def __init__(
        self, width: int, heads: Heads, kernel: int, largest: float, norm: nn.Module, backend: str = "torch"
    ) -> None:
        super().__init__(width, heads, kernel, largest, norm, backend)
        self.alpha = nn.Linear(width, heads.count, bias=False)
        self.gate = nn.Linear(width, heads.values, bias=False)
        self.log_rate = nn.Parameter(torch.empty(heads.count))
        self.offset = nn.Parameter(torch.empty(heads.count))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.log_rate.uniform_(1, 16).log_()
            step = torch.empty_like(self.offset).uniform_(math.log(0.001), math.log(0.1)).exp()
            self.offset.copy_(step + torch.log(-torch.expm1(-step)))  # the inverse of softplus

    def _log_decay(self, x: Tensor, flow: Flow, beta: Tensor) -> Tensor:
        dtype = exact(x)
        # -softplus(z), of which PyTorch's traced gradient has other strides than the one that is computed.
        step = F.logsigmoid(-(self.alpha(x).to(dtype) + self.offset.to(dtype)))
        return flow.clear_padding(self.log_rate.to(dtype).exp() * step).unsqueeze(-1)

    def _read(self, o: Tensor, x: Tensor) -> Tensor:
        return F.silu(self.gate(x)) * o
