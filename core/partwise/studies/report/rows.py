"""Rows of the report's tables: every cell in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from partwise.rendering import numbers
from partwise.rendering.text import plain, printable
from partwise.studies.analysis.findings import Contrast, Effect, NoteKind, PooledContrast, Summary
from partwise.studies.analysis.pairs import ROUNDING
from partwise.studies.knobs import short_names
from partwise.studies.results import Goal, Variant, at_setting
from partwise.wording import joined

SYMBOLS = {
    "better": "▲",
    "baseline": "",
    "equivalent": "=",
    "inconclusive": "?",
    "not tested": "·",
    "no verdict": "·",
    "worse": "▼",
}
"""Beside the word, so that a verdict is seen at a glance and not by its colour alone."""
SURVIVORS = "†"
WITHOUT_SPREAD: dict[NoteKind, str] = {
    "no_difference": "the same on every seed",
    "rounding": "no more than rounding",
    "no_spread": "on every seed",
}


@dataclass(frozen=True)
class VariantRow:
    """A row of the main table: one variant."""

    variant: Variant
    summary: Summary
    contrast: Contrast | None
    """None for the baseline."""
    base: Variant
    seconds: float | None
    """Of a run, the mean over those that are done."""
    number: int
    """Place in the study's own order, from 1."""

    @cached_property
    def name(self) -> str:
        return printable(self.variant.name)

    @property
    def verdict(self) -> str:
        if self.contrast and self.contrast.has("untested"):  # of a fraction, whose effects are
            return "not tested"
        return self.contrast.verdict if self.contrast else "baseline" if self.variant == self.base else "no verdict"

    @property
    def order(self) -> int:
        """From the best verdict to the worst, for sorting."""
        return [*SYMBOLS].index(self.verdict)

    @property
    def lost(self) -> int:
        """Runs that have no figure, and never will."""
        return self.summary.diverged + self.summary.failed + self.summary.never

    @property
    def survivors(self) -> bool:
        """Whether the mean leaves out runs that count against the variant."""
        return self.lost > 0 and self.summary.mean is not None

    @property
    def done(self) -> str:
        """`5`, or `4 of 5`."""
        s = self.summary
        return f"{s.done}" if s.done == s.planned else f"{s.done} of {s.planned}"

    @property
    def not_done(self) -> list[str]:
        """`1 diverged` and the like."""
        s = self.summary
        counts = ((s.never, "never"), (s.diverged, "diverged"), (s.failed, "failed"), (s.waiting, "waiting"))
        return [f"{count} {state}" for count, state in counts if count]

    @property
    def seeds(self) -> str:
        """`5`, `4 of 5, 1 diverged`."""
        return ", ".join([self.done, *self.not_done])

    @property
    def mean(self) -> str:
        return numbers.with_spread(self.summary.mean, self.summary.sd)

    @property
    def sd(self) -> str:
        """A zero is exact: every seed gave the same value."""
        return "0" if self.summary.sd == 0 else numbers.with_spread(self.summary.sd, self.summary.sd)

    @property
    def places(self) -> int:
        """Decimals of the difference: two digits of half its interval."""
        c = self.contrast
        if c is None or c.difference is None:
            return 3
        half = None if c.low is None or c.high is None else (c.high - c.low) / 2
        return numbers.decimals(half or self.summary.sd, c.difference)

    @property
    def without_spread(self) -> str:
        """What stands in place of an interval and a p where the differences do not differ from each other."""
        c = self.contrast
        return next((words for kind, words in WITHOUT_SPREAD.items() if c and c.has(kind)), "")

    @property
    def difference(self) -> str:
        if self.contrast and self.contrast.has("no_difference", "rounding"):
            return "0"
        return numbers.signed(self.contrast.difference if self.contrast else None, self.places)

    @property
    def interval(self) -> str:
        c = self.contrast
        return self.without_spread or (numbers.interval(c.low, c.high, self.places) if c else numbers.NONE)

    @property
    def together(self) -> str:
        """The wider interval, which holds together with all others."""
        c = self.contrast
        return self.without_spread or (numbers.interval(c.low_all, c.high_all, self.places) if c else numbers.NONE)

    @property
    def p(self) -> str:
        told = self.contrast and not (self.without_spread and self.contrast.p_divergence is None)
        return numbers.p_value(self.contrast.p_adjusted if self.contrast and told else None)

    @property
    def p_equivalent(self) -> str:
        """Where that is what the verdict rests on; else empty."""
        c = self.contrast
        if c is None or c.verdict != "equivalent" or c.p_equivalent is None or self.without_spread:
            return ""
        return numbers.p_value(c.p_equivalent)

    @property
    def parameters_off(self) -> str:
        return numbers.percent_off(self.variant.parameters, self.base.parameters)

    @property
    def flops_off(self) -> str:
        return numbers.percent_off(self.variant.flops_per_token, self.base.flops_per_token)

    @property
    def tokens_off(self) -> str:
        return numbers.percent_off(self.variant.tokens, self.base.tokens)

    @property
    def settings(self) -> list[str]:
        """What was chosen for this variant alone."""
        own = [f"{how} {printable(knob)} = {plain(v)}" for how, knobs in self._chosen for knob, v in knobs.items()]
        return (
            own if self.variant.source is None else [*own, f"trained elsewhere, from {printable(self.variant.source)}"]
        )

    @property
    def short_settings(self) -> list[str]:
        """The same by the knobs' last names: `lr = 0.001 (tuned)`."""
        names = short_names([*self.variant.tuned, *self.variant.matched])
        own = [
            f"{printable(names[knob])} = {plain(v)} ({how})" for how, knobs in self._chosen for knob, v in knobs.items()
        ]
        return own if self.variant.source is None else [*own, "trained elsewhere"]

    @property
    def _chosen(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        alike = self.summary.choices
        most = "" if alike is None or alike[0] == alike[1] else f", by {alike[0]} of {alike[1]} seeds"
        return (f"tuned{most}", self.variant.tuned), ("matched", self.variant.matched)

    @property
    def details(self) -> str:
        """What the table has no column for."""
        c = self.contrast
        if c is None:
            return f"{self.name}: {self.seeds} seeds, mean {self.mean}, SD {self.sd}"
        facts = [f"{self.name}: {self.difference} {self.interval} over {c.pairs} pairs of seeds"]
        spread = not self.without_spread
        facts += [f"together with all others {self.together}"] if spread and c.low_all is not None else []
        facts += [f"p {numbers.p_value(c.p)}, adjusted {self.p}"] if spread and c.p is not None else []
        equivalence = c.p_equivalent if spread else None
        facts += [f"p of equivalence {numbers.p_value(equivalence)}"] if equivalence is not None else []
        of = "of the rank test" if c.has("censored") else "of diverging"
        facts += [f"p {of} {numbers.p_value(c.p_divergence)}"] if c.p_divergence is not None else []
        facts += [f"correlation by seed {numbers.fixed(c.correlation, 2)}"] if c.correlation is not None else []
        return "; ".join([*facts, f"verdict: {c.verdict}", *self.settings, *([printable(c.note)] if c.notes else [])])


@dataclass(frozen=True)
class FurtherRow:
    """A comparison with a variant that is not the baseline."""

    contrast: Contrast
    name: str
    against: str
    difference: str
    interval: str
    p: str

    @property
    def verdict(self) -> str:
        return self.contrast.verdict


def further_row(c: Contrast, size: float) -> FurtherRow:
    """`size` as in `pooled_row`."""
    where, p = at_setting(c.size, c.text), numbers.p_value(c.p_adjusted)
    if c.difference is None or c.low is None or c.high is None:
        figures = (numbers.signed(c.difference, 3), numbers.NONE)
    else:
        figures = _estimate(c.difference, c.low, c.high, size)
    return FurtherRow(c, printable(c.variant + where), printable(c.against or ""), *figures, p)


@dataclass(frozen=True)
class PooledRow:
    """A line of the second opinion."""

    contrast: PooledContrast
    name: str
    difference: str
    interval: str
    p: str


def pooled_row(c: PooledContrast, size: float) -> PooledRow:
    """`size` is that of the metric's values, which says what rounding is."""
    estimate = _estimate(c.difference, c.low, c.high, size)
    return PooledRow(c, printable(c.variant), *estimate, numbers.p_value(c.p_adjusted))


@dataclass(frozen=True)
class EffectRow:
    """A main effect or an interaction."""

    effect: Effect
    name: str
    kind: str
    estimate: str
    interval: str
    p: str
    verdict: str
    aliases: str = ""
    """What may be its cause instead, in a fraction."""


def effect_row(e: Effect, goal: Goal, size: float, groups: Sequence[Sequence[tuple[str, ...]]] = ()) -> EffectRow:
    """
    Args:
        groups: effects of a fraction that share one estimate.
    """
    kind = "main effect" if len(e.factors) == 1 else "interaction"
    p = numbers.p_value(e.p if e.p_adjusted is None else e.p_adjusted)
    estimate = _estimate(e.estimate, e.low, e.high, size)
    others = [
        " x ".join(other) for group in groups if tuple(e.factors) in map(tuple, group)
        for other in group if tuple(other) != tuple(e.factors)
    ]  # fmt: skip
    verdict = _effect_verdict(e, goal, size)
    return EffectRow(e, printable(e.name), kind, *estimate, p, verdict, printable(joined(others)))


def _effect_verdict(e: Effect, goal: Goal, size: float) -> str:
    """Of an interaction that was found, whether the two are better or worse together than the sum of their parts."""
    if max(abs(e.low), abs(e.high)) <= ROUNDING * size:
        return "inconclusive"
    if e.verdict == "depends":
        return f"depends on {joined(map(printable, e.depends_on))}"
    if e.verdict == "found":
        return "better together" if (e.estimate < 0) == (goal == "min") else "worse together"
    return "not noticed" if e.verdict == "not found" else e.verdict


def _estimate(value: float, low: float, high: float, size: float) -> tuple[str, str]:
    """A difference and its interval, to two digits of half that interval."""
    if max(abs(low), abs(high)) <= ROUNDING * size:
        return "0", WITHOUT_SPREAD["rounding"]
    places = numbers.decimals((high - low) / 2, value)
    return numbers.signed(value, places), numbers.interval(low, high, places)


__all__ = [
    "SURVIVORS", "SYMBOLS", "EffectRow", "FurtherRow", "PooledRow", "VariantRow", "effect_row", "further_row",
    "pooled_row",
]  # fmt: skip
