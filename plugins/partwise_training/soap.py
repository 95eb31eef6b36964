"""SOAP (Vyas et al. 2024, arXiv:2409.11321): Adam in the slowly turning basis of Shampoo's preconditioner."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .by_parameter import ByParameter

SIDES = ("left", "right")


class Soap(ByParameter):
    """Adam on matrices G' = Q_L^T G Q_R, whose updates are turned back (algorithm 3 of the paper).

        M = b1 M + (1 - b1) G;   V = b2 V + (1 - b2) G' * G'
        w = (1 - lr decay) w - lr Q_L (Q_L^T M Q_R / (1 - b1^n) / (sqrt(V / (1 - b2^n)) + eps)) Q_R^T
        L = b2 L + (1 - b2) G G^T;   R = b2 R + (1 - b2) G^T G

    Q_L and Q_R are the eigenvectors of L and R after the first update, which is Adam's own, and from then on
    turn every `every` updates by one step of power iteration: Q = QR(L Q) (algorithm 4). A side of more than `largest`
    features, and parameters of one dimension, are not turned. Of more than two dimensions, the last two are the matrix.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        lr: float,
        betas: tuple[float, float],
        eps: float,
        every: int,
        largest: int,
    ) -> None:
        self.betas, self.every, self.largest = betas, every, largest
        super().__init__(groups, {"lr": lr, "eps": eps, "weight_decay": 0.0})

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state.update(self._first(parameter))
        state["step"] += 1
        count, (first, second) = state["step"], self.betas
        turned = _turned(gradient, state)
        state["momentum"].lerp_(gradient, 1 - first)
        state["square"].mul_(second).addcmul_(turned, turned, value=1 - second)
        root = (state["square"] / (1 - second**count)).sqrt_().add_(group["eps"])
        direction = _turned_back(_turned(state["momentum"] / (1 - first**count), state) / root, state)
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction, alpha=group["lr"])
        self._learn(gradient, state)

    def _first(self, parameter: Tensor) -> dict[str, Any]:
        """The state before the first update: bases are the identity."""
        state: dict[str, Any] = {"step": 0, **{name: torch.zeros_like(parameter) for name in ("momentum", "square")}}
        if parameter.ndim < 2:
            return state
        for side, size in zip(SIDES, parameter.shape[-2:], strict=True):
            if 1 < size <= self.largest:
                basis = torch.eye(size, dtype=parameter.dtype, device=parameter.device)
                state[f"{side}_basis"] = basis.repeat(*parameter.shape[:-2], 1, 1)
                state[side] = torch.zeros_like(state[f"{side}_basis"])
        return state

    def _learn(self, gradient: Tensor, state: dict[str, Any]) -> None:
        """Adds a gradient to L and R, and turns their bases if it is time to."""
        count = state["step"]
        for side, one in zip(SIDES, (gradient, gradient.mT), strict=True) if gradient.ndim >= 2 else ():
            if side in state:
                state[side].lerp_(one @ one.mT, 1 - self.betas[1])
                if count == 1 or count % self.every == 0:
                    state[f"{side}_basis"].copy_(_basis(state[side], None if count == 1 else state[f"{side}_basis"]))

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "betas": self.betas, "every": self.every, "largest": self.largest}


def _basis(matrix: Tensor, before: Tensor | None) -> Tensor:
    """Eigenvectors [.., N, N] of symmetric matrices, side by side: by one step from those `before`, or from nothing."""
    precise = matrix.to(torch.promote_types(matrix.dtype, torch.float32))
    if before is None:
        return torch.linalg.eigh(precise).eigenvectors.flip(-1)
    return torch.linalg.qr(precise @ before.to(precise.dtype)).Q


def _turned(matrix: Tensor, state: dict[str, Any]) -> Tensor:
    """Q_L^T matrix Q_R."""
    left, right = (state.get(f"{side}_basis") for side in SIDES)
    matrix = matrix if left is None else left.mT @ matrix
    return matrix if right is None else matrix @ right


def _turned_back(matrix: Tensor, state: dict[str, Any]) -> Tensor:
    """Q_L matrix Q_R^T."""
    left, right = (state.get(f"{side}_basis") for side in SIDES)
    matrix = matrix if left is None else left @ matrix
    return matrix if right is None else matrix @ right.mT
