"""The geometric series of frequencies behind sinusoidal and rotary positions.

A position p turns pair i by the angle p * f_i, where f_i = base^(-2i / width): the first pair turns by one
radian per position, the last by about 1 / base.
"""

from __future__ import annotations

import torch
from torch import Tensor


def frequencies(width: int, base: float, inclusive: bool = False) -> Tensor:
    """f_i for every pair of `width` features, half as many, rounded up: radians per position, float32.

    `inclusive` has the last of n pairs turn by 1 / base exactly: f_i = base^(-i / (n - 1)).
    """
    steps = torch.arange(0, width, 2, dtype=torch.float32)
    exponents = steps / max(1, 2 * (len(steps) - 1)) if inclusive else steps / width
    ladder: Tensor = 1.0 / base**exponents
    return ladder


def turns(positions: Tensor, ladder: Tensor) -> Tensor:
    """p * f_i in float32: positions [...] and frequencies [F] to angles [..., F]."""
    return positions.unsqueeze(-1).to(torch.float32) * ladder
