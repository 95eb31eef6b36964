"""A variant beside the baseline, seed by seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import isinf
from statistics import stdev

from partwise.studies.results import Results

from .statistics import divergence_p
from .to_target import later_p, time_of

ROUNDING = 1e-6
"""Share of a figure below which two that were computed otherwise may differ though nothing does: single precision
keeps 24 bits, so one rounding is 6e-8, and sums over many tokens add up several."""


@dataclass(frozen=True)
class Pair:
    """What a variant and the baseline did on some seeds."""

    seeds: tuple[int, ...]
    """Those that both finished."""
    variant: tuple[float, ...]
    baseline: tuple[float, ...]
    diverged: tuple[int, int]
    """Runs of the variant, of the baseline."""
    lost: tuple[int, int]
    """Diverged or failed."""
    done: tuple[int, int]
    waiting: bool
    times: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    """Of a metric that counts training to a target, if a run never reached it: when each run of the variant, of the
    baseline, did so, infinite for never. Then there are no pairs, and `diverged` counts those that never did."""

    @property
    def censored(self) -> bool:
        """Whether a run never reached the metric's target."""
        return self.times != ((), ())

    @cached_property
    def differences(self) -> tuple[float, ...]:
        return tuple(v - b for v, b in zip(self.variant, self.baseline, strict=True))

    @cached_property
    def rounding(self) -> bool:
        """Whether no difference is larger than rounding alone may make it."""
        size = max(map(abs, (*self.variant, *self.baseline)), default=0.0)
        return bool(self.seeds) and all(abs(one) <= ROUNDING * size for one in self.differences)

    @cached_property
    def divergence(self) -> float | None:
        """Signed p that one diverges more often or, of a target that some never reached, reaches it later."""
        if self.censored:
            return later_p(*map(list, self.times))
        return divergence_p((self.diverged[0], self.done[0]), (self.diverged[1], self.done[1]))

    @cached_property
    def spread(self) -> float | None:
        """SD of the paired differences; None below two."""
        return stdev(self.differences) if len(self.seeds) > 1 else None


def pair(results: Results, variant: str, seeds: list[int]) -> Pair:
    """The variant beside the baseline on these seeds."""
    both = _pair(results, variant, seeds)
    if results.metric.amount is None:
        return both
    times = [
        [time for one in results.of(name) if one.seed in seeds and (time := time_of(one)) is not None]
        for name in (variant, results.baseline)
    ]
    never = [sum(map(isinf, of)) for of in times]
    lost = (both.lost[0] - both.diverged[0], both.lost[1] - both.diverged[1])
    if not any(never):
        return both
    return replace(
        both, seeds=(), variant=(), baseline=(), diverged=(never[0], never[1]), lost=lost,
        done=(len(times[0]) - never[0], len(times[1]) - never[1]), times=(tuple(times[0]), tuple(times[1])),
    )  # fmt: skip


def _pair(results: Results, variant: str, seeds: list[int]) -> Pair:
    names = (variant, results.baseline)
    states = [{o.seed: o.state for o in results.of(name) if o.seed in seeds} for name in names]
    values = [results.values(name) for name in names]
    both = [seed for seed in seeds if all(seed in of for of in values)]

    def count(*wanted: str) -> tuple[int, int]:
        first, second = (sum(state in wanted for state in of.values()) for of in states)
        return first, second

    return Pair(
        seeds=tuple(both),
        variant=tuple(values[0][seed] for seed in both),
        baseline=tuple(values[1][seed] for seed in both),
        diverged=count("diverged"),
        lost=count("diverged", "failed"),
        done=count("done"),
        waiting=any(of.get(seed, "waiting") == "waiting" for of in states for seed in seeds),
    )


__all__ = ["ROUNDING", "Pair", "pair"]
