"""The built-in positions: how a model learns where a token stands.

They act in three places: on the embedding (learned, sinusoidal, abacus), by rotating queries and keys (rope), or as a
bias on attention's scores (alibi, hard_alibi, kerple, t5_bias).
"""

from __future__ import annotations

from .absolute import Learned, NoPosition, Sinusoidal
from .biases import Alibi, HardAlibi, Kerple, T5Bias
from .digits import Abacus
from .rotary import Rope
from .scaling import DynamicRope, LinearRope, Llama3Rope, LongRope, RopeScalingPart, YarnRope

PARTS = (
    NoPosition,
    Learned,
    Sinusoidal,
    LinearRope,
    Llama3Rope,
    YarnRope,
    LongRope,
    DynamicRope,
    Rope,
    Alibi,
    HardAlibi,
    Kerple,
    T5Bias,
    Abacus,
)

__all__ = [
    "PARTS",
    "Abacus",
    "Alibi",
    "DynamicRope",
    "HardAlibi",
    "Kerple",
    "Learned",
    "LinearRope",
    "Llama3Rope",
    "LongRope",
    "NoPosition",
    "Rope",
    "RopeScalingPart",
    "Sinusoidal",
    "T5Bias",
    "YarnRope",
]
