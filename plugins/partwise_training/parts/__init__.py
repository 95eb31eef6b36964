"""The built-in optimizers, learning-rate schedules, and the trainer."""

from __future__ import annotations

from .optimizers import Adafactor, Adam, AdamW, AdEMAMix, ByRole, Lion, Muon, ScheduleFree, Sgd
from .schedules import Constant, Continued, Cosine, InverseSqrt, Linear, Piecewise, WarmupCosine, WarmupStableDecay
from .soap import Soap
from .trainer import Standard

PARTS = (
    *(Adafactor, Adam, AdamW, AdEMAMix, Lion, Muon, ScheduleFree, Sgd, Soap),
    *(Constant, Continued, Cosine, InverseSqrt, Linear, Piecewise, WarmupCosine, WarmupStableDecay),
    Standard,
)

__all__ = [
    "PARTS",
    "AdEMAMix",
    "Adafactor",
    "Adam",
    "AdamW",
    "ByRole",
    "Constant",
    "Continued",
    "Cosine",
    "InverseSqrt",
    "Linear",
    "Lion",
    "Muon",
    "Piecewise",
    "ScheduleFree",
    "Sgd",
    "Soap",
    "Standard",
    "WarmupCosine",
    "WarmupStableDecay",
]
