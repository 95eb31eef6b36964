"""What every norm and feed-forward must hold: each position is by itself."""

from __future__ import annotations

from typing import Any

import torch

from partwise import Part

from .checks_modules import close
from .probes import numbers, shaken


def check_position_by_position(part: Part, site: Any) -> None:
    """An output depends on its own position only, whatever stands beside it and in other rows."""
    module, x = shaken(part, site), numbers(3, 5, site.width)
    output = module(x)
    assert output.shape == x.shape, f"{tuple(x.shape)} in, {tuple(output.shape)} out"
    for row in range(3):
        for t in range(5):
            close(module(x[row : row + 1, t : t + 1])[0, 0], output[row, t], f"position {t} of row {row} by itself")
    order = torch.tensor([3, 0, 4, 2, 1])
    close(module(x[:, order]), output[:, order], "positions in another order")


def check_large_and_zero_inputs_stay_finite(part: Part, site: Any) -> None:
    """Zeros, and numbers as large as activations get, give finite outputs and gradients."""
    module = shaken(part, site)
    for size in (0.0, 1e3):
        x = (size * numbers(2, 3, site.width)).requires_grad_()
        output = module(x)
        assert output.isfinite().all(), f"inputs of size {size:g} give what is not finite"
        if output.requires_grad:
            output.sum().backward()
            assert x.grad is not None
            assert x.grad.isfinite().all(), f"inputs of size {size:g} give a gradient that is not finite"
