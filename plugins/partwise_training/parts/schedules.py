"""The built-in learning-rate schedules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, NonNegativeInt, PositiveInt

from partwise.parts import SchedulePart, ScheduleSite

if TYPE_CHECKING:
    from partwise.training import Schedule

Share = Annotated[float, Field(ge=0, lt=1)]


class Constant(SchedulePart):
    """The optimizer's own rate throughout, after an optional warm-up."""

    name = "constant"

    warmup: NonNegativeInt = 0
    """Updates over which the rate rises linearly."""

    def build(self, site: ScheduleSite) -> Schedule:
        from partwise_training import schedules

        return schedules.Warmed(schedules.Constant(), site.steps, self.warmup)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(warmup=2)


class Cosine(SchedulePart):
    """Falls along half a cosine from the first update (Loshchilov & Hutter 2017, arXiv:1608.03983)."""

    name = "cosine"

    floor: Share = 0.0
    """Share of the rate that it falls to."""

    def build(self, site: ScheduleSite) -> Schedule:
        from partwise_training import schedules

        return schedules.Warmed(schedules.Cosine(self.floor), site.steps)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(floor=0.2)


class WarmupCosine(SchedulePart):
    """Rises linearly, then falls along half a cosine: the schedule of GPT-3 (Brown et al. 2020)."""

    name = "warmup_cosine"

    warmup: NonNegativeInt = 100
    """Updates over which the rate rises linearly."""
    floor: Share = 0.1
    """Share of the rate that it falls to."""

    def build(self, site: ScheduleSite) -> Schedule:
        from partwise_training import schedules

        return schedules.Warmed(schedules.Cosine(self.floor), site.steps, self.warmup)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(warmup=2, floor=0.2)


class Linear(SchedulePart):
    """Rises linearly on request, then falls linearly: the schedule of BERT (Devlin et al. 2019)."""

    name = "linear"

    warmup: NonNegativeInt = 0
    """Updates over which the rate rises linearly."""
    floor: Share = 0.0
    """Share of the rate that it falls to."""

    def build(self, site: ScheduleSite) -> Schedule:
        from partwise_training import schedules

        return schedules.Warmed(schedules.Linear(self.floor), site.steps, self.warmup)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(warmup=2, floor=0.2)


class InverseSqrt(SchedulePart):
    """Rises linearly, then falls with the root of the step: the first Transformer's (Vaswani et al. 2017)."""

    name = "inverse_sqrt"

    warmup: PositiveInt = 100
    """Updates over which the rate rises; the longer, the slower it falls afterwards."""

    def build(self, site: ScheduleSite) -> Schedule:
        from partwise_training import schedules

        return schedules.InverseSqrt(site.steps, self.warmup)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(warmup=2)


class WarmupStableDecay(SchedulePart):
    """Rises, stays, and falls at the end only, so that one training serves many lengths (Hu et al. 2024)."""

    name = "warmup_stable_decay"

    warmup: NonNegativeInt = 100
    """Updates over which the rate rises linearly."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Share of all updates over which the rate falls, linearly."""
    floor: Share = 0.0
    """Share of the rate that it falls to."""

    def build(self, site: ScheduleSite) -> Schedule:
        from partwise_training import schedules

        decay = max(1, round(self.decay * site.steps))
        return schedules.WarmupStableDecay(site.steps, self.warmup, decay, self.floor)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(warmup=2, decay=0.5, floor=0.2)
