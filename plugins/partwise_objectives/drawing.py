"""Numbers drawn for a row by what it holds: the same in any batch, by any process, and in every evaluation.

Shapes: B batch, T positions.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from partwise.data import Batch


def uniform_per_row(batch: Batch, salt: int | None, purpose: str, columns: int) -> Tensor:
    """[B, columns] float64, uniform from 0 to 1. Rows of the same tokens draw the same; padding has no part in it.

    Args:
        salt: draws anew for each; None, in evaluation, always the same.
        purpose: tells the draws of one use from those of another.
        columns: a smaller number draws the first of what a larger one draws.
    """
    padding = torch.ones_like(batch.tokens, dtype=torch.bool) if batch.padding is None else batch.padding
    drawn = np.empty((len(batch.tokens), columns))
    for row, (tokens, there) in enumerate(zip(batch.tokens, padding, strict=True)):
        content = tokens[there].to(torch.int64).numpy().tobytes()
        digest = hashlib.sha256(f"{salt}/{purpose}/".encode() + content).digest()
        drawn[row] = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big"))).random(columns)
    return torch.from_numpy(drawn)


def uniform_per_token(batch: Batch, salt: int | None, purpose: str, each: int) -> Tensor:
    """[B, T, each] float64, uniform from 0 to 1, for each token of a row; padding changes none of them."""
    rows, length = batch.tokens.shape
    drawn = uniform_per_row(batch, salt, purpose, each * length).view(rows, length, each)
    if batch.padding is None:
        return drawn
    place = (batch.padding.cumsum(1) - 1).clamp_min(0)  # counted without the padding
    return drawn.gather(1, place[..., None].expand(-1, -1, each))
