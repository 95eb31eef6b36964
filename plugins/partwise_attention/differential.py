"""Differential attention (Ye et al. 2024): the difference of two attentions, so that what both look at cancels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from partwise.modules import CAUSAL, Bias, Mask, Mixer, PositionEncoder, Score, Shown, Visibility

from .backends import AUTO, Weighing
from .core import for_all_heads
from .multi_head import Heads, MultiHeadAttention, QueryKeyNorms
from .weighing import SOFTMAX, Weigher


@dataclass(frozen=True)
class Difference:
    """How two attentions become one."""

    lambda_init: float
    """What the second is multiplied by at first."""
    norm: nn.Module
    """Over the 2 D features of each head's difference."""


class DifferentialAttention(MultiHeadAttention):
    """H heads, each with two queries and keys of D features and one value of 2 D.

        head = norm((weights(q1, k1) - lambda weights(q2, k2)) v) (1 - lambda_init)
        lambda = exp(lambda_q1 . lambda_k1) - exp(lambda_q2 . lambda_k2) + lambda_init

    Ye et al. (2024, arXiv:2410.05258), equations 1 to 3, where lambda_init = 0.8 - 0.6 exp(-0.3 (l - 1)) in layer l of
    1, 2, ... All heads of a layer share one lambda. Projections have the rows of a multi-head attention of 2 H heads
    of width D: the first H are q1, k1 and the first half of each v, the others q2, k2 and the second half.
    """

    def __init__(
        self,
        width: int,
        heads: Heads,
        score: Score,
        biased: frozenset[str],
        difference: Difference,
        memory_width: int | None = None,
        visibility: Visibility = CAUSAL,
        position: PositionEncoder | None = None,
        norms: QueryKeyNorms | None = None,
        weighing: Weighing = AUTO,
        weigher: Weigher = SOFTMAX,
        gate: nn.Module | None = None,
        values: nn.Module | None = None,
        projected: Mixer | None = None,
    ) -> None:
        """`heads` are those of the projections: 2 H, 2 K and D."""
        super().__init__(
            width,
            heads,
            score,
            biased,
            memory_width,
            visibility,
            position,
            norms,
            weighing,
            weigher,
            gate,
            values,
            projected,
        )
        self.lambda_init, self.norm = difference.lambda_init, difference.norm
        self.lambdas = nn.Parameter(torch.empty(4, heads.width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.lambdas, std=0.1)

    def weigh(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Mask, bias: Bias | None, positions: Tensor | None = None
    ) -> Tensor:
        """Queries [B, 2 H, T, D], keys and values [B, 2 K, S, D] to [B, H, T, 2 D]."""
        wide = _wide(value).repeat(1, 2, 1, 1)
        return self._normed_difference(self._difference(super().weigh(query, key, wide, mask, bias, positions)))

    def taken_apart(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Mask,
        bias: Bias | None,
        positions: Tensor | None,
        finish: Callable[[Tensor], Tensor],
    ) -> Shown:
        weights = self._difference(self.weights(query, key, mask, bias, positions))
        values = for_all_heads(_wide(value), weights.shape[1])
        return Shown(weights, values, lambda heads: finish(self._normed_difference(heads)), adds_up=False)

    def _difference(self, both: Tensor) -> Tensor:
        """[B, 2 H, ...] to [B, H, ...]."""
        one, other = both.chunk(2, dim=1)
        return one - self._strength().to(other.dtype) * other

    def _normed_difference(self, heads: Tensor) -> Tensor:
        normed: Tensor = self.norm(heads)
        return normed * (1 - self.lambda_init)

    def _strength(self) -> Tensor:
        """lambda, a scalar."""
        precise = torch.promote_types(self.lambdas.dtype, torch.float32)
        query_1, key_1, query_2, key_2 = self.lambdas.to(precise).unbind()
        return torch.exp(query_1 @ key_1) - torch.exp(query_2 @ key_2) + self.lambda_init


def _wide(value: Tensor) -> Tensor:
    """[B, 2 K, S, D] to [B, K, S, 2 D]."""
    return torch.cat(value.chunk(2, dim=1), dim=-1)


def usual_lambda(layer: int) -> float:
    """lambda_init of a layer, counted from 0."""
    return 0.8 - 0.6 * math.exp(-0.3 * layer)
