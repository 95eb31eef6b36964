"""Weights as bytes within a page: a byte each, the future left out, compressed, in base64."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

LEVELS = (255, 63, 15)
"""How finely weights are told, from the finest on, until all fit."""
LARGEST = 3_000_000
"""Bytes that they may have, compressed."""


@dataclass(frozen=True)
class Packed:
    """Weights of several maps, one after the other."""

    content: str
    """Base64 of zlib's format."""
    maps: tuple[dict[str, Any], ...]
    """For each: heads, rows, columns, whether only its lower triangle is there, whether it has signs, and the largest
    size of a weight."""
    levels: int


def packed(maps: Sequence[Tensor]) -> Packed:
    """Maps [H, T, S]. A byte is the square root of a weight's share of the largest, so that small ones are seen."""
    for levels in LEVELS:
        told = [_bytes(weights, levels) for weights in maps]
        content = zlib.compress(b"".join(raw for raw, _ in told), 9)
        if len(content) <= LARGEST or levels == LEVELS[-1]:
            break
    return Packed(base64.b64encode(content).decode(), tuple(facts for _, facts in told), levels)


def _bytes(weights: Tensor, levels: int) -> tuple[bytes, dict[str, Any]]:
    H, T, S = weights.shape
    weights = weights.nan_to_num(0.0, 0.0, 0.0)
    largest = float(weights.abs().max()) if weights.numel() else 0.0
    triangle = T == S and T > 1 and bool((weights.triu(1) == 0).all())
    signed = bool((weights < 0).any())
    top = 127 if signed else 255
    steps = min(levels, top)
    size = (weights.abs() / (largest or 1.0)).sqrt()
    told = ((size * steps).round() * (top / steps)).round()
    told = 128 + told * weights.sign() if signed else told
    if triangle:
        rows, columns = torch.tril_indices(T, S)
        told = told[:, rows, columns]
    facts = {"heads": H, "rows": T, "columns": S, "triangle": triangle, "signed": signed, "largest": largest}
    return told.to(torch.uint8).contiguous().numpy().tobytes(), facts
