"""Schedule-free AdamW (Defazio et al. 2024, arXiv:2405.15682, algorithm 1): an average of weights, and no schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class ScheduleFree(Optimizer):
    """Three sequences of weights: y, where gradients are taken, z, which steps, and x, their average, to be evaluated.

        y = (1 - b1) z + b1 x
        v = b2 v + (1 - b2) g^2
        r = lr sqrt(1 - b2^n) min(1, n / warmup)
        z = z - r (g / (sqrt(v) + eps) + decay y)
        x = (1 - c) x + c z,  c = r^2 / (sum of all r^2 so far)

    The model holds y in training and x in evaluation; `train()` and `eval()` switch, and lose no bit.
    """

    def __init__(
        self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float], warmup: int, eps: float
    ) -> None:
        self.betas, self.warmup = betas, warmup
        super().__init__(groups, {"lr": lr, "eps": eps, "weight_decay": 0.0, "updates": 0, "weight": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            group["updates"] += 1
            count = group["updates"]
            rate = group["lr"] * (1 - self.betas[1] ** count) ** 0.5 * min(1.0, count / max(1, self.warmup))
            group["weight"] += rate**2
            share = rate**2 / group["weight"] if group["weight"] else 0.0
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group, rate, share)
        return loss

    def _update(self, y: Tensor, gradient: Tensor, group: dict[str, Any], rate: float, share: float) -> None:
        state = self.state[y]
        if not state:
            state.update(average=y.detach().clone(), point=y.detach().clone(), square=torch.zeros_like(y))
        x, z, second = state["average"], state["point"], self.betas[1]
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        direction = gradient / state["square"].sqrt().add_(group["eps"])
        z.sub_(direction.add_(y, alpha=group["weight_decay"]), alpha=rate)
        x.lerp_(z, share)
        self._to_y(y, state)

    def _to_y(self, parameter: Tensor, state: dict[str, Any]) -> None:
        # A fused sum: x + (1 - b1) (z - x) is x itself where both are equal, as at a rate of 0.
        parameter.copy_(torch.lerp(state["average"], state["point"], 1 - self.betas[0]))

    @torch.no_grad()
    def train(self) -> None:
        for parameter, state in self.state.items():
            self._to_y(parameter, state)

    @torch.no_grad()
    def eval(self) -> None:
        for parameter, state in self.state.items():
            parameter.copy_(state["average"])

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "betas": self.betas, "warmup": self.warmup}
