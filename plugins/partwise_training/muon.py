"""Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): momentum, orthogonalised, for hidden matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .by_parameter import ByParameter

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the odd polynomial a s + b s^3 + c s^5, whose iteration brings singular values near 1."""


class Muon(ByParameter):
    """m = b m + g;  u = g + b m (Nesterov) or m;  w = (1 - lr decay) w - lr s orthogonal(u).

    The size s of an update is sqrt(max(1, rows / columns)).

    With `like_adam`, s = 0.2 sqrt(max(rows, columns)), which gives updates the size of Adam's (Liu et al. 2025,
    arXiv:2502.16982, equation 4). A group with `rows` holds matrices that are several layers in one, of so many rows
    each; these are orthogonalised one by one. Of more than two dimensions, the last two are the matrix.
    """

    def __init__(
        self, groups: list[dict[str, Any]], lr: float, momentum: float, nesterov: bool, steps: int, like_adam: bool
    ) -> None:
        self.nesterov, self.steps, self.like_adam = nesterov, steps, like_adam
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "rows": None})

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"]
        momentum.mul_(group["momentum"]).add_(gradient)
        update = gradient.add(momentum, alpha=group["momentum"]) if self.nesterov else momentum
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.sub_(_split_as(parameter, self._direction(_whole(update), group["rows"])), alpha=group["lr"])

    def _direction(self, update: Tensor, rows: Sequence[int] | None) -> Tensor:
        layers = update.split(list(rows), dim=-2) if rows else (update,)
        return torch.cat([orthogonal(layer, self.steps) * self._size(layer) for layer in layers], dim=-2)

    def _size(self, layer: Tensor) -> float:
        rows, columns = layer.shape[-2:]
        return float(0.2 * max(rows, columns) ** 0.5 if self.like_adam else max(1.0, rows / columns) ** 0.5)

    def __getstate__(self) -> dict[str, Any]:
        own = {"nesterov": self.nesterov, "steps": self.steps, "like_adam": self.like_adam}
        return {**super().__getstate__(), **own}


def orthogonal(matrix: Tensor, steps: int) -> Tensor:
    """The nearest semi-orthogonal matrix, nearly: singular values end between some 0.7 and 1.2.

    In bfloat16 on a GPU, where it suffices and is fast.
    """
    a, b, c = COEFFICIENTS
    x = matrix.bfloat16() if matrix.is_cuda else matrix
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).to(matrix.dtype)


def _whole(tensor: Tensor) -> Tensor:
    """A tensor that several processes may share, gathered: orthogonalising needs all of it."""
    full_tensor = getattr(tensor, "full_tensor", None)
    whole: Tensor = tensor if full_tensor is None else full_tensor()
    return whole


def _split_as(own: Tensor, whole: Tensor) -> Tensor:
    """This process's share of a tensor that all have, split as `own` is."""
    if not hasattr(own, "full_tensor"):
        return whole
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(own, DTensor)
    return distribute_tensor(whole, own.device_mesh, own.placements, src_data_rank=None)
