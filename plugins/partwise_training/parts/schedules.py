"""The built-in learning-rate schedules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from partwise import PartError
from partwise.parts import SchedulePart, ScheduleSite, slots

if TYPE_CHECKING:
    from partwise.training import Schedule

Share = Annotated[float, Field(ge=0, lt=1)]


class Constant(SchedulePart):
    """The optimizer's own rate throughout, after an optional warm-up."""

    name = "constant"
    formulas = (r"f(n) = \min\left(1, \frac{n}{w}\right)",)
    in_updates = ("warmup",)

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
    formulas = (r"f = m + (1 - m)\, \frac{1 + \cos(\pi t)}{2}, \quad t = \frac{n - 1}{N}",)

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
    formulas = (
        r"f = \begin{cases} \frac{n}{w} & n \le w \\ m + (1 - m)\, \frac{1 + \cos(\pi t)}{2} & n > w "
        r"\end{cases}",
        r"t = \frac{n - 1 - w}{N - w}",
    )
    in_updates = ("warmup",)

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
    formulas = (
        r"f = \begin{cases} \frac{n}{w} & n \le w \\ 1 - (1 - m)\, t & n > w \end{cases}",
        r"t = \frac{n - 1 - w}{N - w}",
    )
    in_updates = ("warmup",)

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
    formulas = (r"f = \min\left(\frac{n}{w}, \sqrt{\frac{w}{n}}\right)",)
    in_updates = ("warmup",)

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
    formulas = (
        r"f = \begin{cases} \frac{n}{w} & n \le w \\ m + (1 - m) \min\left(1, \frac{N - n + 1}{d "
        r"N}\right) & n > w \end{cases}",
    )
    in_updates = ("warmup",)

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


class Continued(SchedulePart):
    """Another schedule, as it goes on after updates that were made before: by the run that training starts from."""

    name = "continued"
    formulas = (r"f(n) = g(n + a)",)
    known_failures: ClassVar[Mapping[str, str]] = {
        "its_factors_are_sound[0]": "its peak may lie before the first of its own updates",
    }

    after: PositiveInt
    """Updates that were made before."""
    schedule: slots.Schedule
    """The whole schedule, over those updates and over those to come."""

    def build(self, site: ScheduleSite) -> Schedule:
        from partwise_training import schedules

        return schedules.Continued(self.schedule.assemble(ScheduleSite(self.after + site.steps)), self.after)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(after=30, schedule=Cosine(floor=0.1))
        yield cls(after=5, schedule=WarmupStableDecay(warmup=10))

    @classmethod
    def equals(cls) -> Iterable[tuple[Self, Self]]:
        yield cls(after=4, schedule=Constant()), cls(after=8, schedule=Constant())


class Piecewise(SchedulePart):
    """Schedules one after the other, each of which begins anew."""

    name = "piecewise"
    formulas = (r"f(n) = f_i(n - N_{i-1}), \quad N_{i-1} < n \le N_i",)
    in_updates = ("steps",)

    steps: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Updates of each piece but the last, which has all that are left."""
    schedules: Annotated[tuple[slots.Schedule, ...], Field(min_length=2)]
    """The schedule of each piece."""

    @model_validator(mode="after")
    def _has_one_for_each(self) -> Self:
        if len(self.schedules) != len(self.steps) + 1:
            raise ValueError(
                f"{len(self.steps)} pieces and the last make {len(self.steps) + 1}, and there are "
                f"{len(self.schedules)} schedules; give one for each"
            )
        return self

    def build(self, site: ScheduleSite) -> Schedule:
        from partwise_training import schedules

        ends = list(accumulate(self.steps))
        if ends[-1] >= site.steps:
            raise PartError(
                f"pieces of {ends[-1]} updates leave none of {site.steps} for the last; shorten them, or train longer",
                ("steps",),
            )
        lengths = (*self.steps, site.steps - ends[-1])
        pieces = zip(self.schedules, lengths, strict=True)
        return schedules.Piecewise([one.assemble(ScheduleSite(length)) for one, length in pieces], ends)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(steps=(8,), schedules=(Cosine(), Linear(floor=0.5)))
        yield cls(steps=(5,), schedules=(Constant(warmup=3), Cosine()))
        yield cls(steps=(4, 6), schedules=(WarmupCosine(warmup=2), Constant(), Linear()))
