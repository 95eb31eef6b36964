"""AdEMAMix (Pagliardini et al. 2024, arXiv:2409.03137, algorithm 1): Adam with a second, much slower momentum."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .by_parameter import ByParameter


class AdEMAMix(ByParameter):
    """w = w - lr ((m1 / (1 - b1^n) + a m2) / (sqrt(v / (1 - b2^n)) + eps) + decay w).

    m1 and m2 are moving averages of the gradient, with b1 and b3, and v that of its square, with b2. Over the first
    `warmup` updates a grows in a line from 0, and b3 from b1, so that its half-life grows in a line (equations of
    section 3.1).
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        lr: float,
        betas: tuple[float, float, float],
        alpha: float,
        warmup: int | None,
        eps: float,
    ) -> None:
        self.betas, self.alpha, self.warmup = betas, alpha, warmup
        super().__init__(groups, {"lr": lr, "eps": eps, "weight_decay": 0.0})

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state.update({name: torch.zeros_like(parameter) for name in ("fast", "slow", "square")})
        state["step"] += 1
        count, (first, second, _) = state["step"], self.betas
        alpha, third = self._slow(count)
        state["fast"].lerp_(gradient, 1 - first)
        state["slow"].lerp_(gradient, 1 - third)
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        root = (state["square"] / (1 - second**count)).sqrt_().add_(group["eps"])
        direction = (state["fast"] / (1 - first**count)).add_(state["slow"], alpha=alpha).div_(root)
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction, alpha=group["lr"])

    def _slow(self, count: int) -> tuple[float, float]:
        """a and b3 in update number `count`, from 1."""
        first, _, third = self.betas
        if self.warmup is None or count >= self.warmup:
            return self.alpha, third
        share = count / self.warmup
        if not first:
            return self.alpha * share, third
        start, end = math.log(first), math.log(third)
        return self.alpha * share, min(third, math.exp(start * end / ((1 - share) * end + share * start)))

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "betas": self.betas, "alpha": self.alpha, "warmup": self.warmup}
