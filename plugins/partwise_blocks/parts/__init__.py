"""The built-in blocks: how a layer arranges its mixer, feed-forward, norms and residual connections.

A block whose `cross` slot holds an attention becomes a decoder layer: it then also reads the encoder's states.
"""

from __future__ import annotations

from .recurrent import Recurrent
from .repeat import Repeat
from .residual import OutputNorm, Parallel, PostNorm, PreNorm, Sandwich

PARTS = (PreNorm, PostNorm, Sandwich, OutputNorm, Parallel, Recurrent, Repeat)

__all__ = ["PARTS", "OutputNorm", "Parallel", "PostNorm", "PreNorm", "Recurrent", "Repeat", "Sandwich"]
