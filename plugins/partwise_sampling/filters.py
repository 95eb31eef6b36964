"""Filters: pure functions from logits [B, V] to logits that are -inf for tokens that must not be drawn."""

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
