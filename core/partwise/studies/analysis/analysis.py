"""The analysis of a study, from its results to what is said about it."""

from __future__ import annotations

from dataclasses import replace
from statistics import mean, variance
from typing import TYPE_CHECKING

from partwise.studies.results import Results
from partwise.studies.validity import comparable

from .findings import Analysis, Contrast, Effect, Power, Setting

if TYPE_CHECKING:
    from .compare import Compared


def analyse(results: Results) -> Analysis:
    """Everything that is said about a study, computed from its results alone.

    Of a study with sizes or texts, every setting is analysed as the study that it would be by itself, but for the
    tests, which are one family.

    Raises:
        InputError: the declared looks do not hold the study's alpha.
    """
    from .compare import compare
    from .secondary import secondary_findings
    from .sentences import pair_verdicts

    compared = compare(results)
    plain = not (results.sizes or results.texts)
    found = _one(results, compared.contrasts, compared.effects, results) if plain else _several(results, compared)
    if compared.pairs:
        found = replace(
            found, pairs=compared.pairs, verdicts=(*found.verdicts, *pair_verdicts(results, compared.pairs))
        )
    return replace(found, secondary=secondary_findings(results, compared))


def _one(results: Results, contrasts: tuple[Contrast, ...], effects: tuple[Effect, ...], whole: Results) -> Analysis:
    """Of one setting of the whole study."""
    from .notes import refusal, study_notes
    from .pooled_model import second_opinion
    from .sentences import factor_verdicts
    from .summaries import summaries, tuning, tuning_cost

    described, trials = summaries(results), tuning(results)
    if not comparable(results.metric.name, results.tokenizer_varies):
        unknown = Power(len(results.seeds), sd_of_differences=None, detectable=None)
        return Analysis(described, contrasts, None, (), unknown, notes=refusal(results), tuning=trials,
                        tuning_cost=tuning_cost(results))  # fmt: skip
    at = _last_common_look(results, contrasts)
    pooled = None if at is None or results.shared_choice else second_opinion(at[0], results.baseline, at[1])
    return Analysis(
        summaries=described,
        contrasts=contrasts,
        pooled=pooled,
        effects=effects,
        power=_power(whole, contrasts),
        verdicts=factor_verdicts(results, contrasts, effects),
        notes=study_notes(results, described, contrasts, pooled, trials, effects),
        tuning=trials,
        tuning_cost=tuning_cost(results),
    )


def _several(results: Results, compared: Compared) -> Analysis:
    """Of a study with sizes or texts: what each setting says, and what is said over all of them."""
    from .curves import curves
    from .settings import setting_notes, settings_verdicts
    from .summaries import tuning_cost

    settings = tuple(
        Setting(size, text, _one(results.at(size, text), *_placed(compared, size, text), results))
        for size, text in results.settings
    )
    each = [one.analysis for one in settings]
    refused = not comparable(results.metric.name, results.tokenizer_varies)
    return Analysis(
        summaries=tuple(row for one in each for row in one.summaries),
        contrasts=compared.contrasts,
        pooled=None,
        effects=compared.effects,
        power=_power(results, compared.primary),
        verdicts=() if refused else settings_verdicts(results, compared),
        notes=setting_notes(results, compared, settings),
        tuning=tuple(row for one in each for row in one.tuning),
        tuning_cost=tuning_cost(results),
        settings=settings,
        over_texts=compared.over_texts,
        ladder=compared.ladder,
        curves=curves(results),
    )


def _placed(compared: Compared, size: str | None, text: str | None) -> tuple[tuple[Contrast, ...], tuple[Effect, ...]]:
    contrasts = tuple(c for c in compared.contrasts if (c.size, c.text) == (size, text))
    return contrasts, tuple(e for e in compared.effects if (e.size, e.text) == (size, text))


def _last_common_look(
    results: Results, contrasts: tuple[Contrast, ...]
) -> tuple[dict[str, dict[int, float]], float] | None:
    """Values of all variants at the last look that all have reached, and its alpha; None before the first."""
    reached = [c.look for c in contrasts]
    if not reached or any(look is None for look in reached) or any(c.has("censored", "untested") for c in contrasts):
        return None
    last = min(look for look in reached if look is not None)
    seeds = results.seeds[: results.looks[last - 1].seeds] if results.looks else results.seeds
    alpha = results.looks[last - 1].alpha if results.looks else results.alpha
    return {
        v.name: {seed: y for seed, y in results.values(v.name).items() if seed in seeds} for v in results.variants
    }, alpha


def _power(results: Results, contrasts: tuple[Contrast, ...]) -> Power:
    """What the seeds of the look that was reached could have detected, at the spread that pairing left."""
    from .family import family
    from .power import detectable_size

    variances = [variance(c.differences) for c in contrasts if c.pairs > 1]
    reached = [results.looks[c.look - 1].seeds for c in contrasts if results.looks and c.look]
    seeds = min(reached, default=len(results.seeds))
    if not variances or seeds < 2:
        return Power(seeds=seeds, sd_of_differences=None, detectable=None)
    sd = mean(variances) ** 0.5
    alpha = min(c.alpha for c in contrasts)
    over, shared = any(c.unit == "text" for c in contrasts), results.shared_choice
    units = len(results.texts) if over else seeds
    wider = 1.0 if over or shared is None else shared.widening(seeds)
    return Power(seeds, sd, detectable_size(units, alpha / family(results)) * sd * wider)


__all__ = ["analyse"]
