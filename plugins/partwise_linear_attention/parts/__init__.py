"""The built-in linear attentions: mixers whose memory is a matrix for each head, of the same size for every text.

In the equations x_t is what a mixer reads at position t and y_t what it returns. S_t [K, V] is a head's memory; k_t,
v_t and q_t are columns, and a memory is read as S_t^T q_t.
"""

from __future__ import annotations

from .delta_net import DeltaNet, GatedDeltaNet
from .gated_linear_attention import GatedLinearAttention
from .retention import Retention
from .rwkv7 import Rwkv7

PARTS = (GatedLinearAttention, Retention, DeltaNet, GatedDeltaNet, Rwkv7)

__all__ = ["PARTS", "DeltaNet", "GatedDeltaNet", "GatedLinearAttention", "Retention", "Rwkv7"]
