"""The built-in objectives."""

from __future__ import annotations

from .masked import Masked
from .multi_token import MultiToken
from .next_token import NextTokenPart
from .prefix import Prefix

PARTS = (NextTokenPart, MultiToken, Masked, Prefix)

__all__ = ["PARTS", "Masked", "MultiToken", "NextTokenPart", "Prefix"]
