"""Figures as they stand in a sentence, rounded to their uncertainty."""

from __future__ import annotations

from math import floor, log10


def decimals(half_width: float) -> int:
    """Places that show two digits of an uncertainty; six at most."""
    return min(6, max(0, 1 - floor(log10(half_width)))) if half_width > 0 else 4


def interval(value: float, low: float, high: float, alpha: float, unit: str) -> str:
    """`0.031 bits per byte (95 % CI 0.012 to 0.050` with the bracket left open for what follows."""
    places = decimals((high - low) / 2)
    shown = [f"{_zero(round(x, places)):.{places}f}".replace("-", "−") for x in (value, low, high)]
    return f"{shown[0]} {unit} ({100 * (1 - alpha):.4g} % CI {shown[1]} to {shown[2]}"


def chance(p: float | None) -> str:
    """`p = 0.004`, `p < 0.001`, `p = 0.21`."""
    if p is None:
        return "p not known"
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.0995 else f"p = {p:.2f}"


def _zero(value: float) -> float:
    return value + 0.0  # -0.0 becomes 0.0


__all__ = ["chance", "decimals", "interval"]
