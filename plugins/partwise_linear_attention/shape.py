"""How many heads a memory has, and how large their matrices are."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Heads:
    """H heads, each with a matrix [K, V]."""

    count: int
    """H."""
    key: int
    """K, features of a query and of a key."""
    value: int
    """V, features of a value."""

    @property
    def keys(self) -> int:
        """Features of all keys together."""
        return self.count * self.key

    @property
    def values(self) -> int:
        """Features of all values together."""
        return self.count * self.value

    def split(self, x: Tensor) -> Tensor:
        """[B, T, H * D] to [B, T, H, D]."""
        return x.unflatten(-1, (self.count, -1))

    def __str__(self) -> str:
        return f"heads={self.count}, key={self.key}, value={self.value}"
