"""The mixture of experts, and the routers that choose among them."""

from __future__ import annotations

from .experts import Experts
from .routers import ExpertChoice, Hash, Sigmoid, TopK

PARTS = (Experts, TopK, Sigmoid, ExpertChoice, Hash)

__all__ = ["PARTS", "ExpertChoice", "Experts", "Hash", "Sigmoid", "TopK"]
