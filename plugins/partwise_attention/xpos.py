"""The decay of xPos (Sun et al. 2022, arXiv:2212.10554): what turns fast counts less the further away it is."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Layout = Literal["half", "interleaved"]
GAMMA = 0.4
"""What makes even the fastest pair decay slowly; the paper's constant."""


class DecayingScore(nn.Module):
    """s(q_n, k_m) = factor * sum over pairs i of (q_n . k_m)_i * zeta_i^((n - m) / base), where rotary positions have
    turned queries and keys, and zeta_i = (i / F + gamma) / (1 + gamma) for pair i of F.

    The T queries are the last of the S keys, as in attention that looks back; only distances matter. `layout` says
    which features are pairs, as for the rotation.
    """

    scale = None

    def __init__(self, base: float, factor: float, layout: Layout) -> None:
        super().__init__()
        self.base = base
        self.factor = factor
        self.layout = layout

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        T, S = queries.shape[-2], keys.shape[-2]
        exact = torch.promote_types(queries.dtype, torch.float32)
        # Counted from the middle of the keys, so that neither side gets too large for float32.
        steps = torch.arange(min(0, S - T), S, dtype=exact, device=queries.device) - S / 2
        powers = (steps / self.base)[:, None] * self._logarithms(queries, exact)
        at_queries, at_keys = powers[-T:].exp(), (-powers[-S:]).exp()
        queries = (queries.to(exact) * at_queries).to(queries.dtype)
        keys = (keys.to(exact) * at_keys).to(keys.dtype)
        return (queries @ keys.transpose(-2, -1)) * self.factor

    def _logarithms(self, like: Tensor, dtype: torch.dtype) -> Tensor:
        """log zeta of every feature, [D]."""
        pairs = like.shape[-1] // 2
        zeta = (torch.arange(pairs, dtype=dtype, device=like.device) / pairs + GAMMA) / (1 + GAMMA)
        logarithms = zeta.log()
        return logarithms.repeat(2) if self.layout == "half" else logarithms.repeat_interleave(2)

    def extra_repr(self) -> str:
        return f"base={self.base:g}, factor={self.factor:g}, layout={self.layout}"
