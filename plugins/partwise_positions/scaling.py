"""How rotary frequencies are scaled, so that a model can read further than it was first trained to.

Shapes: F pairs of features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor


class Scaled(NamedTuple):
    """What a scaling makes of the frequencies."""

    frequencies: Tensor
    """[..., F], radians per position."""
    factor: Tensor
    """What queries and keys are multiplied by where they turn: a temperature of attention, whose root it is."""


class Scaling(Protocol):
    """From frequencies to frequencies."""

    @property
    def by_length(self) -> bool:
        """Whether frequencies depend on the length of the text."""
        ...

    def __call__(self, ladder: Tensor, length: Tensor) -> Scaled:
        """Frequencies [F] to frequencies [F] or, with lengths [...] of texts, to [..., F]."""
        ...


@dataclass(frozen=True)
class LinearScaling:
    """Every frequency divided by `factor`: as if positions stood closer together (Chen et al. 2023)."""

    factor: float
    by_length: ClassVar[bool] = False

    def __call__(self, ladder: Tensor, length: Tensor) -> Scaled:
        return Scaled(ladder / self.factor, torch.ones(()))


@dataclass(frozen=True)
class Llama3Scaling:
    """Slow frequencies divided by `factor`, fast ones kept, those between blended (Llama 3.1, 2024).

    A pair's speed is its number of turns within `original_context` positions: fewer than `low_frequency_factor` are
    slow, more than `high_frequency_factor` are fast. Between the two, the share of the frequency that is kept grows
    linearly with the number of turns.
    """

    factor: float
    low_frequency_factor: float
    high_frequency_factor: float
    original_context: int
    by_length: ClassVar[bool] = False

    def __call__(self, ladder: Tensor, length: Tensor) -> Scaled:
        rounds = self.original_context * ladder / (2 * math.pi)
        between = self.high_frequency_factor - self.low_frequency_factor
        kept = ((rounds - self.low_frequency_factor) / between).clamp(0, 1)
        return Scaled(kept * ladder + (1 - kept) * ladder / self.factor, torch.ones(()))


@dataclass(frozen=True)
class YarnScaling:
    """Slow frequencies divided by `factor`, fast ones kept, those between blended; and a temperature of attention.

    YaRN (Peng et al. 2023, arXiv:2309.00071): its interpolation by parts (section 3.2), and its temperature (section
    3.4). As in the code that the paper published, the share that is kept falls linearly with the index of a pair, not
    with its number of turns: from the index whose pair turns `beta_fast` times within `original_context` to the one
    whose pair turns `beta_slow` times, `truncate` taking whole indices around them.
    """

    factor: float
    beta_fast: float
    beta_slow: float
    original_context: int
    attention_factor: float
    truncate: bool
    by_length: ClassVar[bool] = False

    def __call__(self, ladder: Tensor, length: Tensor) -> Scaled:
        pairs = len(ladder)
        first, last = self._index(self.beta_fast, ladder), self._index(self.beta_slow, ladder)
        if self.truncate:
            first, last = math.floor(first), math.ceil(last)
        first, last = max(first, 0), min(last, 2 * pairs - 1)
        steps = torch.arange(pairs, dtype=torch.float32, device=ladder.device)
        kept = 1 - ((steps - first) / (last - first or 0.001)).clamp(0, 1)
        blended = kept * ladder + (1 - kept) * ladder / self.factor
        return Scaled(blended, torch.tensor(self.attention_factor, dtype=torch.float64))

    def _index(self, rounds: float, ladder: Tensor) -> float:
        """The index, between whole numbers, of the pair that makes so many turns within the original context."""
        slowing = -math.log(float(ladder[1])) if len(ladder) > 1 else math.inf  # from one pair to the next
        return math.log(self.original_context / (2 * math.pi * rounds)) / slowing


@dataclass(frozen=True)
class LongRopeScaling:
    """Each frequency divided by a factor of its own; and a temperature of attention (Ding et al. 2024)."""

    divisors: tuple[float, ...]
    attention_factor: float
    by_length: ClassVar[bool] = False

    def __call__(self, ladder: Tensor, length: Tensor) -> Scaled:
        divisors = torch.tensor(self.divisors, dtype=ladder.dtype, device=ladder.device)
        return Scaled(ladder / divisors, torch.tensor(self.attention_factor, dtype=torch.float64))


@dataclass(frozen=True)
class DynamicScaling:
    """A larger base for texts longer than `context`, which changes slow frequencies most (dynamic NTK, 2023).

    With L the length of the text, the base is multiplied by s^(width / (width - 2)), s = factor L / context -
    (factor - 1): frequency i of F is divided by s^(i / (F - 1)), the first by 1 and the last by s.
    """

    factor: float
    context: int
    by_length: ClassVar[bool] = True

    def __call__(self, ladder: Tensor, length: Tensor) -> Scaled:
        pairs = len(ladder)
        beyond = length.to(torch.float32).clamp(min=self.context) / self.context
        stretch = self.factor * beyond - (self.factor - 1)
        powers = torch.arange(pairs, dtype=torch.float32, device=ladder.device) / max(1, pairs - 1)
        return Scaled(ladder / stretch.unsqueeze(-1) ** powers, torch.ones(()))
