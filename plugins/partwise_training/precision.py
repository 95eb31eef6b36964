"""In which numbers a model is trained, and how float16, whose range is small, is kept from vanishing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

Name = Literal["float32", "bfloat16", "float16"]
LEAST_SCALE = 2.0**-14
"""A loss still infinite at this scale is not so for want of range: training has diverged."""


class Precision:
    """Casts the products of a pass to `name` (Micikevicius et al. 2018); for float16, scales the loss as well."""

    def __init__(self, name: Name, device: torch.device) -> None:
        self.name = name
        self.device = device.type
        self.scaler = GradScaler(device.type) if name == "float16" else None

    def cast(self) -> AbstractContextManager[Any]:
        """Within it, matrix products are of the chosen type."""
        return nullcontext() if self.name == "float32" else torch.autocast(self.device, getattr(torch, self.name))

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of `loss`, scaled if need be."""
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def unscale(self, optimizer: Optimizer) -> None:
        """Brings the gradients to their true size."""
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)

    def forgives(self) -> bool:
        """Whether an infinite gradient may only mean that the scale was too large."""
        return self.scaler is not None and self.scaler.get_scale() > LEAST_SCALE

    def step(self, optimizer: Optimizer) -> None:
        """Makes the optimizer's update; leaves it out, and lowers the scale, if a scaled gradient was infinite."""
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep, as JSON values."""
        return {} if self.scaler is None else self.scaler.state_dict()

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up what `state` gave."""
        if self.scaler is not None and state:
            self.scaler.load_state_dict(state)


__all__ = ["LEAST_SCALE", "Name", "Precision"]
