"""What every norm and feed-forward must do: treat each position by itself."""

from __future__ import annotations

from typing import Any

import torch

from partwise.parts.part import Part
from partwise.testing.probes import VOCABULARY, numbers, pointwise, shaken, tokens
from partwise.testing.registering import check
from partwise.testing.violation import close_at_positions, gap, require, smallest


@check("norm", "feedforward")
def each_position_is_by_itself(part: Part, site: Any) -> None:
    """An output depends on its own position only, not on its neighbours or on other rows."""
    module = shaken(part, site)

    def attempt(rows: int, length: int) -> None:
        x, ids = numbers(rows, length, site.width), tokens(rows, length, below=VOCABULARY)
        output = pointwise(module, x, ids)
        require(output.shape == x.shape, f"{tuple(x.shape)} in, {tuple(output.shape)} out")
        for row in range(rows):
            for t in range(length):
                alone = pointwise(module, x[row : row + 1, t : t + 1], ids[row : row + 1, t : t + 1])[0, 0]
                same = torch.allclose(alone, output[row, t], 1e-4, 1e-5)
                difference = gap(alone, output[row, t])
                require(
                    same, f"position {t} of row {row} gives something else by itself: it differs by {difference:.2g}"
                )
        order = torch.arange(length).roll(1)
        moved = pointwise(module, x[:, order], ids[:, order])
        close_at_positions(moved, output[:, order], f"in the order {order.tolist()}")

    smallest(attempt, 3, 5)


@check("norm", "feedforward")
def large_and_zero_inputs_stay_finite(part: Part, site: Any) -> None:
    """Zeros, and numbers as large as activations get, give finite outputs and gradients."""
    module = shaken(part, site)
    for size in (0.0, 1e3):
        x = (size * numbers(2, 3, site.width)).requires_grad_()
        output = pointwise(module, x, tokens(2, 3, below=VOCABULARY))
        require(output.isfinite().all(), f"inputs of size {size:g} give outputs that are not finite")
        if output.requires_grad:
            output.sum().backward()
            finite = x.grad is not None and x.grad.isfinite().all()
            require(finite, f"inputs of size {size:g} give a gradient that is not finite")


@check("norm")
def half_precision_does_not_overflow(part: Part, site: Any) -> None:
    """Inputs whose squares are beyond float16 are normalised in float16 as they are in float32."""
    module, x = shaken(part, site), 400 * numbers(2, 3, site.width)
    exact = module(x)
    for dtype in (torch.float16, torch.bfloat16):
        half = shaken(part, site).to(dtype)(x.to(dtype))
        require(half.isfinite().all(), f"in {dtype} inputs of size 400 overflow")
        right = torch.allclose(half.float(), exact, 0.05, 0.05 * float(exact.detach().abs().max()))
        require(right, f"in {dtype} and in float32 outputs differ by {gap(half.float(), exact):.2g}")
