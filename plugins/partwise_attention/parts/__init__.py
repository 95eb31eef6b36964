"""The built-in attentions, from the first lesson to the real thing, and the scores they can use."""

from __future__ import annotations

from .ladder import Causal, Linear, Raw, Simple, Wrapper
from .last_state import LastState
from .multi_head import MultiHead
from .scores import Additive, Dot, ScaledDot
from .weighing import Sigmoid, Sinks, Softmax, TalkingHeads

PARTS = (
    Dot,
    ScaledDot,
    Additive,
    Softmax,
    Sinks,
    Sigmoid,
    TalkingHeads,
    MultiHead,
    Simple,
    Raw,
    Linear,
    Causal,
    Wrapper,
    LastState,
)

__all__ = [
    "PARTS",
    "Additive",
    "Causal",
    "Dot",
    "LastState",
    "Linear",
    "MultiHead",
    "Raw",
    "ScaledDot",
    "Sigmoid",
    "Simple",
    "Sinks",
    "Softmax",
    "TalkingHeads",
    "Wrapper",
]
