"""Contextual positions, CoPE (Golovneva et al. 2024, arXiv:2405.18719): content decides what counts as a step.

Shapes: P learned positions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ContextualScore(nn.Module):
    """s(q_i, k_j) = scale q_i . k_j + q_i . e[p_ij], where p_ij is the sum of the gates from key j to query i,

        g_ij = sigmoid(scale q_i . k_j),    p_ij = g_ij + g_i(j+1) + ... + g_ii,

    and e, between its rows, is interpolated; a count beyond the last of P rows is the last. All heads share `weight`
    [P, D], which is e and begins with zeros.

    The T queries are the last of the S keys, as in attention that looks back. Nothing is counted up to a key that comes
    later. What a mask hides from a query stands before everything that it sees, so no mask changes a count.
    """

    scale = None

    def __init__(self, head_width: int, positions: int, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.weight = nn.Parameter(torch.empty(positions, head_width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        T, S = queries.shape[-2], keys.shape[-2]
        products = (queries @ keys.transpose(-2, -1)) * self.factor
        place = torch.arange(S, device=queries.device)
        later = place > torch.arange(S - T, S, device=queries.device)[:, None]
        # Thousands of gates are summed, which half precision would round away.
        gates = products.to(torch.promote_types(products.dtype, torch.float32)).sigmoid().masked_fill(later, 0.0)
        counts = gates.flip(-1).cumsum(-1).flip(-1).clamp(max=len(self.weight) - 1)
        at_rows = queries @ self.weight.t()
        below = counts.floor()
        share = (counts - below).to(products.dtype)
        lower, upper = (at_rows.gather(-1, rows.long()) for rows in (below, counts.ceil()))
        return products + torch.lerp(lower, upper, share)

    def extra_repr(self) -> str:
        return f"factor={self.factor:g}"
