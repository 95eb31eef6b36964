"""Numbers that a module needs but neither learns nor saves: frequencies, slopes, tables of buckets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Constant(nn.Module):
    """What `compute` gives, as a non-persistent buffer `values` that follows the model from device to device.

    Its dtype never changes: in a model cast to bfloat16, rounded frequencies would confuse positions far away.
    """

    values: Tensor

    def __init__(self, compute: Callable[[], Tensor]) -> None:
        super().__init__()
        self.compute = compute
        with torch.device("cpu"):  # a few numbers; to make them on the meta device, PyTorch imports SymPy
            known = compute()
        self.register_buffer("values", known.to(torch.get_default_device()), persistent=False)

    def reset_parameters(self) -> None:
        self.values.copy_(self.compute())

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Constant:
        dtype = self.values.dtype
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.values.dtype != dtype:
            self.values = self.compute().to(self.values.device)
        return self
