"""How far two results may be apart: as far as rounding explains it.

How much rounding a model suffers is measured, not guessed: by how far transformers' own result in float32 is from its
own in float64, in the same module. In float64, differences are far smaller; but transformers rounds norms and softmaxes
to float32 even then, so that the bound is of the same order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

EPS = 2.0**-23
"""Of float32."""
IN_FLOAT64 = 4.0
IN_FLOAT32 = 20.0
"""Multiples of the rounding measured that two results may be apart: operations in another order round otherwise."""
UNMEASURED = 1e-4
"""Share of the largest value that counts as rounding where transformers cannot compute in float64."""


@dataclass(frozen=True)
class Difference:
    """Of two results, over all their features."""

    largest: float
    """Largest absolute difference; infinite if one has values that are not finite."""
    bound: float
    """What rounding explains."""
    scale: float
    """Largest absolute value of theirs."""

    @property
    def equal(self) -> bool:
        return self.largest <= self.bound < math.inf


def rounding(single: Tensor, double: Tensor | None) -> float:
    """What float32 costs: the largest difference between the same result in both types."""
    if double is None:
        return UNMEASURED * _largest(single) / IN_FLOAT32
    return _largest(single.double() - double.double())


def counted(tensor: Tensor, where: Tensor | None) -> Tensor:
    """The features at the positions that count; all, if the tensor has no such positions."""
    return tensor if where is None or tensor.shape[: where.ndim] != where.shape else tensor[where]


def difference(ours: Tensor, theirs: Tensor, rounded: float, factor: float, where: Tensor | None = None) -> Difference:
    """
    Args:
        rounded: what float32 costs here.
        where: [B, T] bool, the positions that count.
    """
    one, other = counted(ours, where).double(), counted(theirs, where).double()
    scale = _largest(other)
    return Difference(_largest(one - other), factor * (rounded + EPS * scale), scale)


def _largest(tensor: Tensor) -> float:
    if not tensor.numel():
        return 0.0
    found = float(tensor.abs().max())
    return found if math.isfinite(found) else math.inf


def in_order(tensor: Tensor) -> Tensor:
    """Features sorted, so that two that differ only in their order are equal."""
    return torch.sort(tensor, -1).values
