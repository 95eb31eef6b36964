"""All that a study compares, at the looks that it has reached: one family of tests over settings, variants and slopes.

A setting is a size and a text. In a study without such there is one, and this is every variant against the baseline.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from partwise.errors import InputError
from partwise.studies.results import Look, Results
from partwise.studies.validity import broken_looks, comparable

from . import notes
from .contrasts import Question, questions, refused, unasked, untested
from .effects import effect_figures, told_effects
from .family import family_of, parts_of, spans_texts
from .findings import Contrast, Effect, EffectVerdict
from .grid_effects import count_effects
from .ladder import Rung, rungs, told_ladder
from .ladder_findings import LadderFinding
from .over_texts import TextsQuestion, over_texts
from .verdicts import judge


@dataclass(frozen=True)
class Compared:
    """What the study's one family of tests found."""

    contrasts: tuple[Contrast, ...]
    """At every setting. Where the study's claims are about all its texts these are a family of their own."""
    effects: tuple[Effect, ...] = ()
    """Of a grid, at the last look that all of its cells have reached."""
    pairs: tuple[Contrast, ...] = ()
    """Of variants with others than the baseline, as the study declares them."""
    over_texts: tuple[Contrast, ...] = ()
    """At every size over all texts, if these support it."""
    ladder: tuple[LadderFinding, ...] = ()
    """Of a study with sizes, at the last look that all sizes have reached."""

    @property
    def primary(self) -> tuple[Contrast, ...]:
        """The contrasts that the study's error rate is about."""
        return self.over_texts or self.contrasts

    @property
    def found(self) -> frozenset[str]:
        """Names of variants (and of a grid's effects) of which the study's one family says that they differ."""
        contrasts = [c.variant for c in self.primary if c.verdict in ("better", "worse")]
        slopes = [one.variant for one in self.ladder if one.steep]
        effects = [] if self.over_texts else [e.name for e in self.effects if e.verdict in FOUND]
        return frozenset([*contrasts, *slopes, *effects])


Asked = Question | TextsQuestion

FOUND = ("better", "worse", "depends", "found")
"""Verdicts on an effect that claim something."""


def compare(results: Results) -> Compared:
    """All contrasts, each at the last declared look that it has reached, the effects of a grid, and the ladder.

    A look uses exactly the first seeds it declares, so that nothing changes between looks, and nothing is said
    before the first. Without declared looks there is one, at the end. Where the metric does not compare the variants,
    every contrast says so, and nothing more.

    With three texts or more the claims are about texts like these, and what each text says by itself is a second
    family: claimed only of variants of which the first one has found something.

    Raises:
        InputError: the declared looks do not hold the study's alpha.
    """
    if not spans_texts(results):
        return _compared(results, over=False)
    first, each = _compared(results, over=True), _compared(results, over=False)
    return replace(
        first,
        contrasts=tuple(gated(c, first.found) for c in each.contrasts),
        effects=tuple(gated_effect(e, first.found) for e in each.effects),
    )


def gated(contrast: Contrast, found: Collection[str]) -> Contrast:
    """As a claim of a further family: only described, unless the study's first family has found the variant."""
    if contrast.variant in found or contrast.verdict not in ("better", "worse", "equivalent"):
        return contrast
    said = (notes.described(contrast.verdict), *contrast.notes)
    return replace(contrast, verdict="no verdict", notes=said, seeds_needed=None, needed_for=None, needed=None)


def gated_effect(effect: Effect, found: Collection[str]) -> Effect:
    """Likewise of an effect of a grid."""
    if effect.name in found or effect.verdict not in FOUND:
        return effect
    verdict: EffectVerdict = "not found" if effect.verdict == "found" else "inconclusive"
    return replace(effect, verdict=verdict, notes=(notes.described(effect.verdict), *effect.notes))


def _compared(results: Results, *, over: bool) -> Compared:
    parts = parts_of(results)
    asked = _asked(parts, results.seeds, over=over)
    if not asked and not any(map(count_effects, parts)):  # the baseline alone
        return Compared(())
    tests = family_of(results, over=over)
    found = {_key(c): c for c in _unreached(parts, asked)}
    effects: list[tuple[Effect, ...]] = [() for _ in parts]
    ladder: dict[tuple[str, str | None], LadderFinding] = {}
    for number, look in enumerate(_looks(results), 1):
        seeds = results.seeds[: look.seeds]
        asked = _asked(parts, seeds, over=over)
        figures = [] if over else [effect_figures(part, seeds) for part in parts]
        steps = rungs(results, asked)
        judged = judge(
            [one.differences for one in asked],
            look.alpha,
            results.metric.goal,
            results.metric.smallest_effect,
            [one.divergence for one in asked],
            [*(one.differences for of in figures for one in of), *(one.slopes for one in steps)],
            results.correction,
        )
        for i, one in enumerate(asked):
            if not one.waiting:
                told = one.told(judged, i, look, number, tests)
                found[_key(told)] = told
        at_settings = {(c.variant, c.size, c.text): c for c in found.values() if c.against is None}
        start = 0
        for place, of in enumerate(figures):
            tested = judged.effects.part(slice(start, start + len(of)))
            effects[place] = _placed(told_effects(parts[place], of, tested, look), parts[place]) or effects[place]
            start += len(of)
        told_now = told_ladder(results, steps, at_settings, judged.effects.part(slice(start, None)), look)
        ladder |= {(one.variant, one.text): one for one in told_now}
    contrasts = [*found.values()]
    if not comparable(results.metric.name, results.tokenizer_varies):
        contrasts, effects, ladder = [refused(contrast, results) for contrast in contrasts], [], {}
    if results.design == "fractional":
        contrasts = [one for part in parts for one in untested(part)]
    pairs = tuple(one for one in contrasts if one.against is not None)
    own = tuple(one for one in contrasts if one.against is None)
    every = tuple(one for of in effects for one in of)
    return Compared(() if over else own, every, pairs, own if over else (), tuple(ladder.values()))


def _asked(parts: Sequence[Results], seeds: Sequence[int], *, over: bool) -> list[Asked]:
    asked = [one for part in parts for one in questions(part, seeds)]
    return [*over_texts(asked)] if over else [*asked]


def _unreached(parts: Sequence[Results], asked: Sequence[Asked]) -> list[Contrast]:
    over = [one.unasked() for one in asked if isinstance(one, TextsQuestion)]
    return over or [contrast for part in parts for contrast in unasked(part)]


def _key(contrast: Contrast) -> tuple[str | None, ...]:
    return contrast.variant, contrast.size, contrast.text, contrast.against


def _placed(effects: Sequence[Effect], part: Results) -> tuple[Effect, ...]:
    """Effects that say at which setting they are."""
    base = next(v for v in part.variants if v.name == part.baseline)
    return tuple(replace(one, size=base.size, text=base.text) for one in effects)


def _looks(results: Results) -> list[Look]:
    """The declared looks, or the one that every study has: at the end, with all of alpha.

    Raises:
        InputError: they do not hold the study's alpha.
    """
    declared = [(look.seeds, look.alpha) for look in results.looks]
    problems = [message for message, _ in broken_looks(declared, results.alpha, len(results.seeds))]
    if problems:
        raise InputError(f"the looks of the study do not hold its error rate: {'; '.join(problems)}")
    return results.looks or [Look(seeds=len(results.seeds), alpha=results.alpha)]


__all__ = ["Compared", "Rung", "compare", "gated", "gated_effect"]
