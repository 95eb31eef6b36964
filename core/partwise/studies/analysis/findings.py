"""What the analysis says, as plain values that reports print.

Differences are always variant minus baseline, in the metric's own unit, whatever the goal; only the verdict and
the sentences know which direction is good.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "no verdict"]
"""`no verdict`: fewer than three pairs of seeds, or a rule of the study forbids one; `Contrast.note` says which."""


@dataclass(frozen=True)
class Summary:
    """One variant by itself."""

    variant: str
    planned: int
    done: int
    diverged: int
    failed: int
    waiting: int
    mean: float | None
    """Over the runs that are done; None if there are none."""
    sd: float | None
    """Sample standard deviation (n - 1); None below two."""


@dataclass(frozen=True)
class Contrast:
    """A variant against the baseline, on the seeds that both have finished."""

    variant: str
    factor: str | None
    """The factor in which it differs from the baseline; None if in several."""
    level: str
    """Its level of that factor, or the variant's name."""
    pairs: int
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    """Per seed."""
    difference: float | None
    """Mean; None without pairs."""
    low: float | None
    high: float | None
    """95 % t-interval of the mean difference (at the look's level where looks are declared)."""
    p: float | None
    p_adjusted: float | None
    """Holm, over the study's contrasts."""
    p_equivalent: float | None
    """Of two one-sided tests against the smallest effect (Holm as well); None if none was declared."""
    correlation: float | None
    """That pairing by seed gave."""
    seeds_needed: int | None
    """For an inconclusive one: seeds that would detect the smallest effect (or, undeclared, the difference seen)."""
    verdict: Verdict
    note: str = ""
    alpha: float = 0.05
    """Level of the test and, as 1 - alpha, of the interval; smaller at a declared look."""
    p_divergence: float | None = None
    """Fisher's exact test that one diverges more often; None where no run diverged. Part of `p_adjusted`."""
    needed_for: float | None = None
    """The difference that `seeds_needed` is about; with it None there, more than 10,000 seeds."""
    look: int | None = None
    """Which look was reached, from 1 (a study that declares none has one, at the end); None before the first."""


@dataclass(frozen=True)
class Pooled:
    """The second opinion: all variants in one model, with seeds as blocks and a common residual."""

    equal_variance_p: float | None
    """Levene; below 0.05 the second opinion is not to be used."""
    usable: bool
    contrasts: tuple[PooledContrast, ...] = ()


@dataclass(frozen=True)
class PooledContrast:
    variant: str
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float


@dataclass(frozen=True)
class Effect:
    """A main effect or an interaction in a grid."""

    name: str
    """`position=rope`, `position=rope x norm=rms_norm`."""
    factors: tuple[str, ...]
    estimate: float
    low: float
    high: float
    p: float
    p_adjusted: float | None = None
    """Holm, over the effects of the grid."""
    alpha: float = 0.05
    """1 - alpha is the level of the interval."""


@dataclass(frozen=True)
class Anova:
    """One term of a grid's analysis of variance."""

    term: str
    """`position`, `position x norm`, `seed`."""
    df: int
    f: float
    p: float


@dataclass(frozen=True)
class Tuning:
    """What tuning saw of one variant at one value of the knob."""

    variant: str
    value: Any
    trials: int
    """Planned."""
    done: int
    mean: float | None
    """Over those that are done."""
    sd: float | None
    chosen: bool


@dataclass(frozen=True)
class Power:
    """What the study could have seen."""

    seeds: int
    sd_of_differences: float | None
    detectable: float | None
    """Smallest true difference found with 80 % power at the study's corrected level, in the metric's unit."""


@dataclass(frozen=True)
class Analysis:
    """Everything that is said about a study."""

    summaries: tuple[Summary, ...]
    contrasts: tuple[Contrast, ...]
    pooled: Pooled | None
    effects: tuple[Effect, ...]
    """Of a grid; empty otherwise."""
    power: Power
    sentences: dict[str, str] = field(default_factory=dict)
    """Factor -> its verdict in a sentence."""
    notes: tuple[str, ...] = ()
    """Limits that a reader must know: survivors only, skewed differences, too few seeds, looks."""
    anova: tuple[Anova, ...] = ()
    """Of a grid in which every cell is complete; empty otherwise."""
    tuning: tuple[Tuning, ...] = ()
    """By variant and value, in the order of the trials."""
