"""PyTorch's LSTM, with a chosen first bias of its forget gates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.backends.cpu import get_cpu_capability


class BiasedLSTM(nn.LSTM):
    """`torch.nn.LSTM`, batch first, whose forget gates begin with the bias `forget_bias` (Gers et al. 2000)."""

    def __init__(self, width: int, features: int, layers: int, dropout: float, forget_bias: float) -> None:
        self.forget_bias = forget_bias  # set first, because the constructor draws the weights
        super().__init__(width, features, layers, batch_first=True, dropout=dropout)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if name.startswith("bias_"):
                    # Gates lie in the order input, forget, cell, output; each adds up two biases.
                    weight.chunk(4)[1].fill_(self.forget_bias if name.startswith("bias_ih") else 0.0)

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> Any:
        """As PyTorch's; under autocast on a CPU without AVX-512 in float32, as oneDNN has no LSTM in bfloat16 there."""
        if not self.weight_ih_l0.is_cpu or not torch.is_autocast_enabled("cpu") or "AVX512" in get_cpu_capability():
            return super().forward(input, hx)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float(), hx and (hx[0].float(), hx[1].float()))
