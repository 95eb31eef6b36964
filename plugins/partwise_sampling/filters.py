"""Filters: pure functions from logits [B, V] to logits that are -inf for tokens that must not be drawn.

One depends on the text so far as well: `repetition_penalty` makes tokens unlikelier that stand in it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LOOKS = (128, 2048)
"""How many of the likeliest tokens `top_p` looks at first. Usually these suffice; sorting all is 30 times slower."""

_COLD = 1e-6
"""Temperatures below which dividing logits needs care."""


def temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divides logits by a temperature: below 1 it sharpens the distribution, above 1 it flattens it."""
    if temperature < _COLD:  # the quotient could overflow, so the largest logit becomes 0 first
        logits = logits - logits.amax(-1, keepdim=True)
        temperature = max(temperature, torch.finfo(logits.dtype).tiny)
    return logits / temperature


def top_k(logits: Tensor, k: int) -> Tensor:
    """Keeps the k likeliest tokens, and those as likely as the last of them (Fan et al. 2018)."""
    if k >= logits.shape[-1]:
        return logits
    least = logits.topk(k).values[..., -1:]
    return logits.masked_fill(logits < least, -torch.inf)


def top_p(logits: Tensor, p: float) -> Tensor:
    """Keeps the fewest likeliest tokens whose probabilities reach p, and those as likely as the last of them
    (nucleus sampling, Holtzman et al. 2020)."""
    if p >= 1:
        return logits  # with rounding, the sum could reach 1 before the least likely tokens are added
    V = logits.shape[-1]
    probabilities = logits.softmax(-1, torch.float32)
    for looked_at in (*(look for look in _LOOKS if look < V), V):
        likeliest = probabilities.topk(looked_at).values
        sums = likeliest.cumsum(-1, dtype=torch.float64)
        if bool((sums[..., -1] >= p).all()):
            break
    last = (sums < p).sum(-1, keepdim=True).clamp(max=looked_at - 1)
    return logits.masked_fill(probabilities < likeliest.gather(-1, last), -torch.inf)


def min_p(logits: Tensor, p: float) -> Tensor:
    """Keeps the tokens at least p times as likely as the likeliest (Nguyen et al. 2024)."""
    return logits.masked_fill(logits < logits.amax(-1, keepdim=True) + math.log(p), -torch.inf)


def typical(logits: Tensor, p: float) -> Tensor:
    """Keeps the fewest tokens whose probabilities reach p, those first whose surprise, -log probability, is closest to
    the expected surprise; and those as close as the last of them (typical sampling, Meister et al. 2022, eq. 5)."""
    if p >= 1:
        return logits  # as for `top_p`
    log_probabilities = logits.log_softmax(-1, torch.float32)
    probabilities = log_probabilities.exp()
    expected = -(probabilities * log_probabilities).nansum(-1, keepdim=True)  # what is impossible surprises nobody
    apart = (-log_probabilities - expected).abs()
    nearest, order = apart.sort(-1)
    sums = probabilities.gather(-1, order).cumsum(-1, dtype=torch.float64)
    last = (sums < p).sum(-1, keepdim=True).clamp(max=logits.shape[-1] - 1)
    return logits.masked_fill(apart > nearest.gather(-1, last), -torch.inf)


def repetition_penalty(logits: Tensor, text: Tensor, penalty: float) -> Tensor:
    """Divides the logits of tokens in `text` [B, n] by a penalty (Keskar et al. 2019, section 4.1).

    Negative logits are multiplied by it, as transformers does, so that a penalty above 1 lowers those, too. Ids below
    0 in `text` are padding.
    """
    penalised = torch.where(logits > 0, logits / penalty, logits * penalty)
    B, V = logits.shape
    present = torch.zeros(B, V + 1, dtype=torch.bool, device=logits.device)
    present.scatter_(-1, text.masked_fill(text < 0, V), True)
    return torch.where(present[:, :V], penalised, logits)
