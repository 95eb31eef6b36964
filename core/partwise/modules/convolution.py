"""A causal depthwise convolution over time: each feature is a weighted sum of its own last few values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from .flow import Flow
from .states import State


class CausalConvolution(nn.Module):
    """x [B, T, C] to [B, T, C] with K taps per feature; the last tap weighs the position itself.

        y_t = bias + sum over k < K of weight[K - 1 - k] * x_{t - k}

    Before the first token, before the beginning of a packed document, and at padding, x counts as 0. A state is
    {"inputs": [B, K - 1, C]}, the last inputs of the document being read. Weights lie as in a depthwise `nn.Conv1d`,
    [C, 1, K], and begin like its; what follows, such as an activation, is the caller's.
    """

    parameter_roles: ClassVar[Mapping[str, str]] = {"weight": "convolution"}

    bias: nn.Parameter | None

    def __init__(self, width: int, kernel: int, bias: bool = True) -> None:
        super().__init__()
        self.width, self.kernel = width, kernel
        self.weight = nn.Parameter(torch.empty(width, 1, kernel))
        self.register_parameter("bias", nn.Parameter(torch.empty(width)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.kernel)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        """The result has the dtype of x."""
        x = flow.clear_padding(x)
        seen = _before(self.kernel - 1, x, state)
        segments = None if flow.segments is None else pad(flow.segments, (self.kernel - 1, 0))
        y = self._weighted(seen, segments)
        if state is not None:
            state["inputs"].copy_(_kept(seen, segments, self.kernel - 1))
        return y.to(x.dtype)

    def _weighted(self, seen: Tensor, segments: Tensor | None) -> Tensor:
        """The sums over K taps of `seen` [B, K - 1 + T, C]; a tap reaches no position of another segment."""
        taps = self.weight.squeeze(1).t()
        length = seen.shape[1] - self.kernel + 1
        y = seen[:, self.kernel - 1 :] * taps[-1]
        if self.bias is not None:
            y = y + self.bias
        for index in range(self.kernel - 1):
            reached = seen[:, index : index + length]
            if segments is not None:
                same = segments[:, index : index + length] == segments[:, self.kernel - 1 :]
                reached = torch.where(same[..., None], reached, 0)
            y = y + reached * taps[index]
        return y

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        """Zeros, of the same size for every length."""
        return {"inputs": like.new_zeros(batch, self.kernel - 1, self.width)}


def _before(count: int, x: Tensor, state: State | None) -> Tensor:
    """x with the `count` inputs before it: those of the state, or zeros."""
    if state is None:
        return pad(x, (0, 0, count, 0))
    return torch.cat((state["inputs"].to(x.dtype), x), 1)


def _kept(seen: Tensor, segments: Tensor | None, count: int) -> Tensor:
    """The last `count` inputs, with zeros for those that are not in the segment of the last one."""
    first = seen.shape[1] - count
    if segments is None:
        return seen[:, first:]
    return torch.where((segments[:, first:] == segments[:, -1:])[..., None], seen[:, first:], 0)
