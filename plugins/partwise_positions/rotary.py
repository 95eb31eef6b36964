"""Rotary positions (Su et al. 2021): queries and keys turn with their position, so that scores see distances.

Features are taken in pairs (a, b), each of which turns by the angle t = p * f_i:

    a' = a cos t - b sin t
    b' = b cos t + a sin t

that is, x' = x * cos + partner(x) * sin, where `partner` swaps a and b, and the minus is kept in the sine.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from .constant import Constant
from .encoder import Encoder
from .frequencies import frequencies, turns
from .scaling import Scaling

Layout = Literal["half", "interleaved"]


class RotaryPositions(Encoder):
    """Turns the first `width` features of each head (an even number) and leaves the others as they are.

    `layout` says which features are pairs: "half" takes i and i + width / 2 (Llama, GPT-NeoX), "interleaved"
    2i and 2i + 1 (the paper, GPT-J). Weights trained with one layout are useless with the other.

    A scaling that depends on the length of a text takes the position after the last of each row for it.
    """

    def __init__(self, width: int, base: float, layout: Layout = "half", scaling: Scaling | None = None) -> None:
        super().__init__()
        self.width = width
        self.base = base
        self.layout = layout
        self.scaling = scaling
        self.by_length = scaling is not None and scaling.by_length
        self.frequencies = Constant(self._frequencies)
        with torch.device("cpu"):  # as for a `Constant`
            self.factor = 1.0 if scaling is None else float(scaling(frequencies(width, base), torch.ones(())).factor)

    def _frequencies(self) -> Tensor:
        """Scaled, unless that has to wait for the length of a text."""
        ladder = frequencies(self.width, self.base)
        if self.scaling is None or self.by_length:
            return ladder
        return self.scaling(ladder, torch.ones(())).frequencies

    def angles(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and signed sine for every feature turned, float32: [T, width], or [B, 1, T, width] for [B, T]."""
        rows = positions if positions.ndim == 1 else positions.unsqueeze(1)
        ladder = self.frequencies.values
        if self.scaling is not None and self.by_length:
            ladder = self.scaling(ladder, rows.amax(-1, keepdim=True) + 1).frequencies
        angles = turns(rows, ladder)
        cos, sin = angles.cos(), angles.sin()
        if self.factor != 1:
            cos, sin = cos * self.factor, sin * self.factor
        if self.layout == "half":
            return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)
        return torch.stack((cos, cos), dim=-1).flatten(-2), torch.stack((-sin, sin), dim=-1).flatten(-2)

    def rotate(self, heads: Tensor, angles: tuple[Tensor, ...]) -> Tensor:
        """In float32 or better, whatever the dtype of `heads`; one multiply-add and one swap, the least it takes."""
        cos, sin = angles
        turning = heads[..., : self.width].to(torch.promote_types(heads.dtype, cos.dtype))
        turned = torch.addcmul(turning * cos, self._partner(turning), sin).to(heads.dtype)
        if self.width == heads.shape[-1]:
            return turned
        return torch.cat((turned, heads[..., self.width :]), dim=-1)

    def _partner(self, x: Tensor) -> Tensor:
        if self.layout == "half":
            return x.roll(self.width // 2, dims=-1)
        return x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)

    def extra_repr(self) -> str:
        scaling = "" if self.scaling is None else f", scaling={self.scaling}"
        return f"width={self.width}, base={self.base:g}, layout={self.layout}{scaling}"
