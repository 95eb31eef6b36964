"""PyTorch's LSTM, with a chosen first bias of its forget gates."""

from __future__ import annotations

import torch
from torch import nn


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
