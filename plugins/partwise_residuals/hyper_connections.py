"""Hyper-connections (Zhu et al. 2025): N residual streams, and learned weights by which branches read and write them.

With H [N, C] the streams of a position, f the branch, and weights A_m [N, 1], A_r [N, N] and B [1, N]:

    h  = A_m^T H                     what the branch reads                     (equation 3)
    H' = A_r^T H + B^T f(h)          the streams mixed, and the branch added   (equation 5)

In the dynamic form each weight has a part that depends on the streams, with H' = norm(H):

    B(H) = s_b tanh(H' W_b)^T + B,   A_m(H) = s_a tanh(H' W_m) + A_m,   A_r(H) = s_a tanh(H' W_r) + A_r

At first the dynamic parts are 0, A_r is the identity, B is 1 and A_m picks the stream number k mod N for branch k:
with one stream that is the residual connection which adds. Below the first layer all streams are the embedding; above
the last they are summed.

Shapes: B batch, T positions, N streams, C width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn


class HyperConnection(nn.Module):
    """One branch of N streams; stream number `reads` is the one that it reads at first."""

    parameter_roles: ClassVar[Mapping[str, str]] = {"mixing": "residual", "dynamic.mixing_matrix": "residual"}

    def __init__(self, width: int, streams: int, reads: int, dynamic: bool) -> None:
        super().__init__()
        self.reads, self.streams = reads, streams
        self.input_weights = nn.Parameter(torch.empty(streams))
        self.mixing = nn.Parameter(torch.empty(streams, streams))
        self.output_weights = nn.Parameter(torch.empty(streams))
        self.dynamic = Dynamic(width, streams) if dynamic else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        with torch.no_grad():
            nn.init.zeros_(self.input_weights)
            self.input_weights[self.reads] = 1.0
            nn.init.eye_(self.mixing)
            nn.init.ones_(self.output_weights)

    def read(self, stream: Tensor) -> Tensor:
        weights: Tensor = self.input_weights
        if self.dynamic is not None:
            weights = weights + self.dynamic.inputs(stream)
        return (weights.to(stream.dtype)[..., None] * stream).sum(-2)

    def write(self, stream: Tensor, branch: Tensor) -> Tensor:
        mixing: Tensor = self.mixing
        outputs: Tensor = self.output_weights
        if self.dynamic is not None:
            mixing, outputs = mixing + self.dynamic.mixing(stream), outputs + self.dynamic.outputs(stream)
        mixed = mixing.to(stream.dtype).transpose(-2, -1) @ stream
        return mixed + outputs.to(stream.dtype)[..., None] * branch[..., None, :]


class Dynamic(nn.Module):
    """The parts of the weights that depend on the streams [B, T, N, C]."""

    def __init__(self, width: int, streams: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.input_matrix = nn.Parameter(torch.empty(width))
        self.mixing_matrix = nn.Parameter(torch.empty(width, streams))
        self.output_matrix = nn.Parameter(torch.empty(width))
        self.input_scale = nn.Parameter(torch.empty(1))
        self.output_scale = nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for matrix in (self.input_matrix, self.mixing_matrix, self.output_matrix):
            nn.init.zeros_(matrix)
        for scale in (self.input_scale, self.output_scale):
            nn.init.constant_(scale, 0.01)

    def inputs(self, stream: Tensor) -> Tensor:
        """[B, T, N]."""
        return self.input_scale * torch.tanh(_product(self.norm(stream), self.input_matrix))

    def mixing(self, stream: Tensor) -> Tensor:
        """[B, T, N, N]."""
        return self.input_scale * torch.tanh(self.norm(stream) @ self.mixing_matrix)

    def outputs(self, stream: Tensor) -> Tensor:
        """[B, T, N]."""
        return self.output_scale * torch.tanh(_product(self.norm(stream), self.output_matrix))


def _product(x: Tensor, vector: Tensor) -> Tensor:
    """x [..., C] times a vector [C]: [...]. A product of matrices, which is counted as such."""
    return nn.functional.linear(x, vector[None]).squeeze(-1)


class Streams(nn.Module):
    """All streams begin as the embedding, and end as their sum."""

    def __init__(self, streams: int) -> None:
        super().__init__()
        self.streams = streams

    def open(self, x: Tensor) -> Tensor:
        return x.unsqueeze(-2).expand(*x.shape[:-1], self.streams, x.shape[-1])

    def close(self, stream: Tensor) -> Tensor:
        return stream.sum(-2)
