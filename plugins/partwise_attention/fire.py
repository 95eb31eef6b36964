"""FIRE (Li et al. 2023, arXiv:2310.04418): a learned function of the distance, as a share of how far a query can look.

Shapes: N features of the network's hidden layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from partwise.modules import exact_dtype

FIRST_SLOPE = 0.1
SMALLEST = 1e-6
"""What keeps the quotient finite; these two are those of the code in the paper's appendix."""


class InterpolatedScore(nn.Module):
    """s(q_i, k_j) = scale q_i . k_j + f(psi(i - j) / psi(max(L, i))),  psi(x) = log(c x + 1)

    f is a network with one hidden layer, from one number to one per head; c and L are learned. With i the position of
    the query in its text, what f reads lies between 0 and 1 however long the text is (progressive interpolation), and
    up to position L it depends on the distance alone.

    The T queries are the last of the S keys, as in attention that looks back.
    """

    scale = None
    reads_positions = True
    parameter_roles: ClassVar[Mapping[str, str]] = {"hidden.weight": "vector", "output.weight": "vector"}

    def __init__(self, heads: int, hidden: int, threshold: float, factor: float) -> None:
        super().__init__()
        self.factor, self.first_threshold = factor, threshold
        self.hidden = nn.Linear(1, hidden)
        self.output = nn.Linear(hidden, heads)
        self.slope = nn.Parameter(torch.empty(()))
        self.threshold = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.slope, FIRST_SLOPE)
        nn.init.ones_(self.threshold)

    def forward(self, queries: Tensor, keys: Tensor, positions: Tensor | None = None) -> Tensor:
        """
        Args:
            positions: those of the queries in their texts, [T] or [B, T]; None: the last T of S.
        """
        T, S = queries.shape[-2], keys.shape[-2]
        index = torch.arange(S, device=queries.device)
        last = index[S - T :]
        products = (queries @ keys.transpose(-2, -1)) * self.factor
        return products + self._bias(last[:, None] - index, last if positions is None else positions).to(products.dtype)

    def _bias(self, distances: Tensor, positions: Tensor) -> Tensor:
        """[H, T, S] or [B, H, T, S] for distances [T, S] and positions [T] or [B, T]."""
        exact = exact_dtype(self.slope.dtype)  # logarithms of neighbouring distances are hardly different
        reach = torch.maximum(positions.to(exact), (self.threshold.to(exact) * self.first_threshold).abs())
        share = self._psi(distances.to(exact)) / (self._psi(reach)[..., None] + SMALLEST)
        weight, bias = self.hidden.weight.to(exact), self.hidden.bias.to(exact)
        bent = torch.relu(share[..., None] * weight[:, 0] + bias)
        return self.output(bent.to(self.output.weight.dtype)).movedim(-1, -3)

    def _psi(self, x: Tensor) -> Tensor:
        return torch.log1p((self.slope.to(x.dtype) * x).abs())

    def extra_repr(self) -> str:
        return f"factor={self.factor:g}, threshold={self.first_threshold:g}"
