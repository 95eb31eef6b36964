"""The position-wise feed-forward layer (Vaswani et al. 2017): widen, apply a function, narrow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]


class FeedForward(nn.Module):
    """x [..., width] to activation(x W1 + b1) W2 + b2, with dropout on the hidden features.

    `down` carries `ends_residual_branch`, by which an initializer recognises it.
    """

    reads_flow = False
    takes_groups = True

    def __init__(self, width: int, hidden: int, activation: Activation, bias: bool = True, dropout: float = 0) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden, bias)
        self.activation = activation
        self.dropout = dropout
        self.down = nn.Linear(hidden, width, bias)
        self.down.ends_residual_branch = True  # type: ignore[assignment]

    def forward(self, x: Tensor, *groups: Any) -> Tensor:
        hidden = self.activation(self.up(x, *groups))
        if self.dropout and self.training:
            hidden = F.dropout(hidden, self.dropout)
        return self.down(hidden, *groups)

    def extra_repr(self) -> str:
        return name_of(self.activation)


def gelu(form: Literal["exact", "tanh"]) -> Activation:
    """x * P(Z <= x) for a standard normal Z, or its approximation by a tanh."""
    return F.gelu if form == "exact" else gelu_tanh


def gelu_tanh(x: Tensor) -> Tensor:
    """x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))."""
    return F.gelu(x, approximate="tanh")


def relu_squared(x: Tensor) -> Tensor:
    """max(0, x)^2."""
    return F.relu(x).square()


def name_of(activation: Activation) -> str:
    """What to call an activation when a module is printed."""
    return getattr(activation, "__name__", repr(activation))
