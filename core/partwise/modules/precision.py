"""Precision: what adds up over a whole text is computed in float32 where activations are of half precision."""

from __future__ import annotations

import torch
from torch import Tensor


def exact_dtype(dtype: torch.dtype) -> torch.dtype:
    """float32 for half precision, else the dtype itself."""
    return torch.promote_types(dtype, torch.float32)


def in_float32(x: Tensor) -> Tensor:
    """x in float32; in float64 if it is."""
    return x.to(exact_dtype(x.dtype))
