"""The built-in attentions, from the first lesson to the real thing, and the scores they can use."""

from __future__ import annotations

from .differential import Differential
from .gating import SigmoidGate
from .hybrid import Hybrid
from .ladder import Causal, Linear, Raw, Simple, Wrapper
from .last_state import LastState
from .latent import Latent
from .multi_head import MultiHead
from .scores import Additive, Cope, Dot, Fire, ScaledDot, Xpos
from .values import ValueResidual
from .weighing import Sigmoid, Sinks, Softmax, TalkingHeads

PARTS = (
    Dot,
    ScaledDot,
    Additive,
    Cope,
    Fire,
    Xpos,
    Softmax,
    Sinks,
    Sigmoid,
    TalkingHeads,
    SigmoidGate,
    ValueResidual,
    MultiHead,
    Differential,
    Latent,
    Hybrid,
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
    "Cope",
    "Differential",
    "Dot",
    "Fire",
    "Hybrid",
    "LastState",
    "Latent",
    "Linear",
    "MultiHead",
    "Raw",
    "ScaledDot",
    "Sigmoid",
    "SigmoidGate",
    "Simple",
    "Sinks",
    "Softmax",
    "TalkingHeads",
    "ValueResidual",
    "Wrapper",
    "Xpos",
]
