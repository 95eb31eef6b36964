"""From queries, keys and values to mixed values: what all attentions over heads have in common."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from partwise.modules import Bias, Mask, Score

from .backends import AUTO, Weighing, flex, sdpa
from .core import attend
from .weighing import SOFTMAX, Weigher


class Attending(nn.Module):
    """Base of attentions: a score, a weigher (see `weighing`), and how the two are computed."""

    def __init__(self, score: Score, weighing: Weighing = AUTO, weigher: Weigher = SOFTMAX) -> None:
        super().__init__()
        self.weighing = weighing
        self.score = score
        self.scale = score.scale
        self.weigher = weigher
        self.fuses = self.scale is not None and self.weigher.fuses

    def weigh(self, query: Tensor, key: Tensor, value: Tensor, mask: Mask, bias: Bias | None) -> Tensor:
        """Queries [B, H, T, D], keys [B, K, S, D] and values [B, K, S, E] to [B, H, T, E]; K divides H."""
        cap, dropout = self.weighing.soft_cap, self.weighing.dropout if self.training else 0.0
        sinks = self.weigher.sinks
        backend = self.weighing.backend_for(self.fuses, query, mask, bias)
        # For one more key or feature, the fused kernel would copy all keys in every decode step.
        copies = query.shape[2] == 1 and (sinks is not None or key.shape[-1] != value.shape[-1])
        if backend == "eager" or copies or self.scale is None or not self.fuses:
            added = None if bias is None else bias.dense
            return attend(query, key, value, self.score, mask.dense, added, cap, dropout, self.weigher)
        if backend == "flex":
            return flex(query, key, value, self.scale, mask, bias, cap, sinks)
        if value.dtype == torch.bfloat16 and value.device.type == "cpu" and torch.is_grad_enabled():
            # PyTorch's fused backward pass in bfloat16 on a CPU is some seven times slower than in float32.
            with torch.autocast("cpu", enabled=False):
                return sdpa(
                    query.float(), key.float(), value.float(), self.scale, mask, bias, dropout, sinks
                ).bfloat16()
        return sdpa(query, key, value, self.scale, mask, bias, dropout, sinks)
