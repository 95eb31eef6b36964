"""What the analysis finds, as plain values that reports print.

Differences are always variant minus baseline, in the metric's own unit, whatever the goal; only the verdict and
the sentences know which direction is good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from partwise.studies.results import Correction, Metric

    from .ladder_findings import Curve, LadderFinding

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "no verdict"]
"""`no verdict`: fewer than three pairs of seeds, or a rule of the study forbids one; `Contrast.notes` says which."""

EffectVerdict = Literal["better", "worse", "inconclusive", "depends", "found", "not found"]
"""Of a main effect one of the first four: `depends` where an interaction was found, so that its average says too
little. Of an interaction one of the last two."""

NoteKind = Literal[
    "not_comparable", "lost_runs", "too_few_seeds", "waiting", "withheld", "no_difference", "rounding", "no_spread",
    "look", "undeclared_look", "changed_question", "same_on_every_seed", "skewed", "unequal_spread",
    "no_smallest_effect", "unequal_trials", "unequal_budget", "adding_seeds", "scope", "floor", "always_diverged",
    "edge", "shared_choice", "same_texts", "text_noise", "described", "few_texts", "few_sizes",
    "compute", "censored", "foreign", "screening", "aliased", "untested",
]  # fmt: skip
"""What a note is about. `scope` is true of any study, and easily forgotten; the others are said where they apply."""


@dataclass(frozen=True)
class Note:
    """A limit that a reader must know."""

    kind: NoteKind
    text: str
    """About a contrast: a clause, without a full stop. About the study: one or more sentences."""


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
    size: str | None = None
    text: str | None = None
    never: int = 0
    """Done without having reached the metric's target; they are in no mean."""
    choices: tuple[int, int] | None = None
    """Runs with the values that most have, and all, where tuning chose for each seed by itself."""


@dataclass(frozen=True)
class Needed:
    """Seeds that something would take; None stands for more than 10,000."""

    seeds: int | None
    fewest: int | None
    """By the 95 % interval of the spread, which few seeds know only roughly."""
    most: int | None


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
    """95 % t-interval of this mean difference by itself (at the look's level where looks are declared)."""
    p: float | None
    p_adjusted: float | None
    """Over the study's contrasts (and, in a grid, its effects), by its correction."""
    p_equivalent: float | None
    """Of two one-sided tests against the smallest effect (Holm as well); None if none was declared."""
    correlation: float | None
    """That pairing by seed gave."""
    seeds_needed: int | None
    """For an inconclusive one: seeds that would detect the smallest effect (or, undeclared, the difference seen)."""
    verdict: Verdict
    notes: tuple[Note, ...] = ()
    """Why there is no verdict, or what limits it."""
    alpha: float = 0.05
    """Level of the test and, as 1 - alpha, of the interval; smaller at a declared look."""
    p_divergence: float | None = None
    """Fisher's exact test that one diverges more often; None where no run diverged. Part of `p_adjusted`."""
    needed_for: float | None = None
    """The difference that `seeds_needed` is about; with it None there, more than 10,000 seeds."""
    look: int | None = None
    """Which look was reached, from 1 (a study that declares none has one, at the end); None before the first."""
    low_all: float | None = None
    """Of the wider interval that holds together with those of all other contrasts and effects (Bonferroni)."""
    high_all: float | None = None
    sd: float | None = None
    """Of the paired differences; None below two. All figures on detecting and on seeds needed are from it."""
    detectable: float | None = None
    """Smallest true difference that these seeds find with 80 % power."""
    needed: Needed | None = None
    """`seeds_needed` with its interval."""
    text_error: float | None = None
    """Standard error of the difference that is due to the text it is measured on; the interval has only the seeds'."""
    tuning_error: float | None = None
    """Standard error of the difference that is due to one choice of what was tuned for all runs; the interval has it.
    None where each seed has a choice of its own, which is then part of how seeds scatter."""
    equivalence: Needed | None = None
    """For an inconclusive one: seeds that would show equivalence with 80 % power, if there were no difference."""
    size: str | None = None
    """Of a study with sizes."""
    text: str | None = None
    """Of a study with several texts; None there for a contrast over all of them."""
    against: str | None = None
    """The variant it is compared with, if that is not the baseline."""
    correction: Correction = "holm"
    unit: Literal["seed", "text"] = "seed"
    """What is independent of what: `text` where each difference is a text's mean over its seeds (`seeds` is empty)."""

    def has(self, *kinds: NoteKind) -> bool:
        """Whether one of its notes is of one of these kinds."""
        return any(note.kind in kinds for note in self.notes)

    @property
    def note(self) -> str:
        """The notes in one text; empty without any."""
        return " – ".join(note.text for note in self.notes)


@dataclass(frozen=True)
class FactorVerdict:
    """What is said about a factor."""

    factor: str
    """Its name; the variant's own for a variant that differs in several; `interactions` for those of a grid."""
    contrasts: tuple[Contrast, ...]
    clauses: tuple[str, ...]
    """`alibi is worse than learned: ...`: one for each contrast, then one for each effect; without full stops."""
    headline: str = ""
    """In a grid, where a level may do one thing in one company and another in another; empty where the contrasts'
    verdicts say it all."""

    @property
    def sentence(self) -> str:
        """All of it in one sentence: `position: alibi is worse ...; rope is better ... .`"""
        return f"{self.factor}: {'; '.join(self.clauses)}."


@dataclass(frozen=True)
class Pooled:
    """The second opinion: all variants in one model, with seeds as blocks and a common residual variance."""

    equal_variance_p: float | None
    """Of Levene's test; below 0.05 the second opinion must not be used."""
    usable: bool
    contrasts: tuple[PooledContrast, ...] = ()
    sd_ratio: float | None = None
    """The largest SD over seeds of a variant, over the smallest; infinite where one does not vary."""


@dataclass(frozen=True)
class PooledContrast:
    variant: str
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float


@dataclass(frozen=True)
class Within:
    """What a level does at one level of another factor: a part of its main effect, described and not tested."""

    factor: str
    level: str
    """Of the other factor."""
    estimate: float
    low: float
    high: float


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
    """Holm, over the contrasts and effects of the grid together."""
    alpha: float = 0.05
    """1 - alpha is the level of the interval."""
    correction: Correction = "holm"
    levels: tuple[str, ...] = ()
    """Of its factors, in their order."""
    verdict: EffectVerdict = "inconclusive"
    depends_on: tuple[str, ...] = ()
    """Of a main effect: the factors with which an interaction of this level was found."""
    within: tuple[Within, ...] = ()
    """Of a main effect that depends on other factors: what the level does at each of theirs."""
    seeds: int = 0
    """That every cell of it has finished."""
    low_all: float | None = None
    """Of the interval that holds together with all others of the study."""
    high_all: float | None = None
    notes: tuple[Note, ...] = ()
    size: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class Tuning:
    """What tuning found for one variant with one combination of values."""

    variant: str
    values: Mapping[str, Any]
    """Knob path -> value."""
    trials: int
    """Planned."""
    done: int
    mean: float | None
    """Over those that are done."""
    sd: float | None
    chosen: bool
    """For the variant; where each seed has a choice of its own, by most of them."""
    size: str | None = None
    text: str | None = None
    times: int = 0
    """How many seeds chose it, where each has a choice of its own."""
    stopped: Mapping[int, int] = field(default_factory=dict)
    """Updates of a rung -> trials that were behind there, and not trained further."""


@dataclass(frozen=True)
class TuningCost:
    """What tuning took, all variants together."""

    trials: int
    """That have ended."""
    seconds: float | None
    """Of those that were timed."""
    timed: int
    training_flops: float | None
    """As planned; one that diverged or failed has made fewer. None if they cannot be counted."""
    compared_seconds: float | None
    """Of the runs that are compared, beside it."""


@dataclass(frozen=True)
class Power:
    """What the study could have detected."""

    seeds: int
    sd_of_differences: float | None
    detectable: float | None
    """Smallest true difference found with 80 % power at the study's corrected level, in the metric's unit."""


@dataclass(frozen=True)
class Setting:
    """One size and one text of a study."""

    size: str | None
    text: str | None
    analysis: Analysis
    """As of a study by itself, `results.at(size, text)`; its tests are the whole study's."""

    @property
    def name(self) -> str:
        """`1M`, `news`, `1M on news`."""
        return " on ".join(part for part in (self.size, self.text) if part)


@dataclass(frozen=True)
class SecondaryFinding:
    """What the study says by a secondary metric; each field as in `Analysis`."""

    name: str
    metric: Metric
    contrasts: tuple[Contrast, ...]
    effects: tuple[Effect, ...]
    over_texts: tuple[Contrast, ...]
    ladder: tuple[LadderFinding, ...]
    verdicts: tuple[FactorVerdict, ...]
    described: tuple[str, ...]
    """Variants of which nothing is claimed, because the primary metric found nothing about them."""


@dataclass(frozen=True)
class Analysis:
    """Everything that is said about a study. Of one with sizes or texts, all settings' rows stand one after another."""

    summaries: tuple[Summary, ...]
    contrasts: tuple[Contrast, ...]
    pooled: Pooled | None
    effects: tuple[Effect, ...]
    """Of a grid; empty otherwise."""
    power: Power
    verdicts: tuple[FactorVerdict, ...] = ()
    notes: tuple[Note, ...] = ()
    """About the study as a whole, the weightiest first."""
    tuning: tuple[Tuning, ...] = ()
    """By variant and combination of values, in the order of the trials."""
    tuning_cost: TuningCost | None = None
    pairs: tuple[Contrast, ...] = ()
    """Of variants with others than the baseline; they share the study's error rate."""
    settings: tuple[Setting, ...] = ()
    """Of a study with sizes or texts: every setting by itself."""
    over_texts: tuple[Contrast, ...] = ()
    """At every size over all texts, where these are enough to speak for others: then these are the study's claims."""
    ladder: tuple[LadderFinding, ...] = ()
    """Of a study with sizes, by variant (and text, where there are two)."""
    curves: tuple[Curve, ...] = ()
    """Of a study with sizes: the metric against training FLOPs."""
    secondary: tuple[SecondaryFinding, ...] = ()

    @property
    def sentences(self) -> dict[str, str]:
        """Factor -> its verdicts in a sentence."""
        return {verdict.factor: verdict.sentence for verdict in self.verdicts}
