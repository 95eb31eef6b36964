"""The built-in objectives."""

from __future__ import annotations

from .company import ContinuousBagPart, SkipGramPart
from .masked import Masked
from .multi_token import MultiToken
from .next_token import NextTokenPart
from .prefix import Prefix

PARTS = (NextTokenPart, MultiToken, Masked, Prefix, SkipGramPart, ContinuousBagPart)

__all__ = ["PARTS", "ContinuousBagPart", "Masked", "MultiToken", "NextTokenPart", "Prefix", "SkipGramPart"]
