"""The built-in optimizers, learning-rate schedules, and the trainer."""

from __future__ import annotations

from .optimizers import Adam, AdamW, Lion, Sgd
from .schedules import Constant, Cosine, InverseSqrt, Linear, WarmupCosine, WarmupStableDecay
from .trainer import Standard

PARTS = (Adam, AdamW, Constant, Cosine, InverseSqrt, Linear, Lion, Sgd, Standard, WarmupCosine, WarmupStableDecay)

__all__ = [
    "PARTS",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "InverseSqrt",
    "Linear",
    "Lion",
    "Sgd",
    "Standard",
    "WarmupCosine",
    "WarmupStableDecay",
]
