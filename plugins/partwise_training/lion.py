"""Lion (Chen et al. 2023, arXiv:2302.06675): the sign of an interpolated momentum, with decoupled decay."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .by_parameter import ByParameter


class Lion(ByParameter):
    """c = b1 m + (1 - b1) g;  w = w - lr (sign(c) + decay w);  m = b2 m + (1 - b2) g.

    Keeps one tensor per parameter where Adam keeps two. Every weight moves by `lr` at every step, so `lr` is to
    be 3 to 10 times smaller than Adam's, and the decay as much larger.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float]) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"]
        first, second = group["betas"]
        direction = momentum.lerp(gradient, 1 - first).sign_()
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction, alpha=group["lr"])
        momentum.lerp_(gradient, 1 - second)
