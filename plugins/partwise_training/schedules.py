"""Learning-rate schedules: factors of the base rate by update, counted from 0 to `steps - 1`.

All begin with a linear warm-up of `warmup` updates: update s runs at (s + 1) / warmup, so the first is not
wasted on a rate of 0 and the last of the warm-up reaches 1. What follows is described by the share t of the
updates after the warm-up that are already done: t is 0 at the first and never quite 1, so a schedule that
falls to 0 wastes no update either.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from partwise import PartError

Shape = Callable[[float], float]
"""From the share of updates done after the warm-up, in [0, 1), to a factor."""


@dataclass(frozen=True)
class Warmed:
    """A linear warm-up, then `shape` over the rest of `steps`.

    Raises:
        PartError: the warm-up is longer than the training.
    """

    shape: Shape
    steps: int
    warmup: int = 0

    def __post_init__(self) -> None:
        refuse_long_warmup(self.warmup, self.steps)

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        # A schedule asked beyond its end, where `steps` are over, stays where it ended.
        return self.shape(min((step - self.warmup) / max(1, self.steps - self.warmup), 1.0))


@dataclass(frozen=True)
class Constant:
    """1."""

    def __call__(self, share: float) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine:
    """floor + (1 - floor) (1 + cos(pi t)) / 2 (Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts)."""

    floor: float = 0.0

    def __call__(self, share: float) -> float:
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class Linear:
    """1 - (1 - floor) t."""

    floor: float = 0.0

    def __call__(self, share: float) -> float:
        return 1 - (1 - self.floor) * share


@dataclass(frozen=True)
class InverseSqrt:
    """min(n / warmup, sqrt(warmup / n)) for the n-th update, n from 1 (Vaswani et al. 2017), its peak brought to 1.

    Raises:
        PartError: the warm-up is longer than the training.
    """

    steps: int
    warmup: int

    def __post_init__(self) -> None:
        refuse_long_warmup(self.warmup, self.steps)

    def __call__(self, step: int) -> float:
        return min((step + 1) / self.warmup, math.sqrt(self.warmup / (step + 1)))


@dataclass(frozen=True)
class WarmupStableDecay:
    """A warm-up, then 1, and over the last `decay` updates linearly towards `floor` (Hu et al. 2024).

    Raises:
        PartError: warm-up and decay together are longer than the training.
    """

    steps: int
    warmup: int
    decay: int
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.warmup + self.decay > self.steps:
            raise PartError(
                f"a warm-up of {self.warmup} updates and a decay over {self.decay} do not fit in {self.steps}: "
                "shorten one of them, or train longer"
            )

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        remaining = max(0, self.steps - step)
        return self.floor + (1 - self.floor) * min(1.0, remaining / self.decay)


@dataclass(frozen=True)
class Continued:
    """Another schedule from update `after` on."""

    schedule: Callable[[int], float]
    after: int

    def __call__(self, step: int) -> float:
        return self.schedule(step + self.after)


@dataclass(frozen=True)
class Piecewise:
    """One schedule after the other, each of which counts its updates from 0; `ends` are the updates at which the next
    begins."""

    pieces: Sequence[Callable[[int], float]]
    ends: Sequence[int]

    def __call__(self, step: int) -> float:
        index = bisect_right(self.ends, step)
        return self.pieces[index](step - (self.ends[index - 1] if index else 0))


def refuse_long_warmup(warmup: int, steps: int) -> None:
    """Raises PartError if there are fewer updates than the warm-up takes."""
    if warmup > steps:
        raise PartError(
            f"a warm-up of {warmup} updates does not fit in {steps}: give `warmup` at most {steps}, or train longer"
        )
