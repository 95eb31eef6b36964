"""Activations by name, for the feed-forwards that take any of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .feedforward import Activation, gelu_tanh, relu_squared


def gelu_sigmoid(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x), the coarser approximation of the GELU (Hendrycks & Gimpel 2016, section 2; CLIP)."""
    return x * torch.sigmoid(1.702 * x)


def identity(x: Tensor) -> Tensor:
    """x itself."""
    return x


ACTIVATIONS: dict[str, Activation] = {
    "identity": identity,
    "relu": F.relu,
    "relu_squared": relu_squared,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu_tanh": gelu_tanh,
    "gelu_sigmoid": gelu_sigmoid,
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "sine": torch.sin,
}
