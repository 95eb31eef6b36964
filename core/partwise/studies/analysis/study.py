"""The analysis of a study, from its results to what is said."""

from __future__ import annotations

from dataclasses import replace
from statistics import mean, variance

from partwise.studies.results import Results

from .findings import Analysis, Anova, Contrast, Effect, Pooled, Power
from .metrics import comparable, why_not_comparable


def analyse(results: Results) -> Analysis:
    """Everything that is said about a study, computed from its results alone.

    Raises:
        InputError: the declared looks do not hold the study's alpha.
    """
    from .contrasts import compare
    from .notes import notes
    from .sentences import sentences
    from .summaries import summaries, tuning

    contrasts = compare(results)
    if not comparable(results.metric.name, results.tokenizer_varies):
        return Analysis(
            summaries=summaries(results),
            contrasts=tuple(_refused(c, results) for c in contrasts),
            pooled=None,
            effects=(),
            power=Power(len(results.seeds), None, None),
            notes=(f"{why_not_comparable(results.metric.name)}.",),
            tuning=tuning(results),
        )
    pooled, (effects, anova) = _second_opinion(results, contrasts), _effects(results, contrasts)
    described, trials = summaries(results), tuning(results)
    return Analysis(
        summaries=described,
        contrasts=contrasts,
        pooled=pooled,
        effects=effects,
        power=_power(results, contrasts),
        sentences=sentences(results, contrasts, effects),
        notes=notes(results, described, contrasts, pooled, trials),
        anova=anova,
        tuning=trials,
    )


def _refused(contrast: Contrast, results: Results) -> Contrast:
    return replace(
        contrast,
        difference=None,
        low=None,
        high=None,
        p=None,
        p_adjusted=None,
        p_equivalent=None,
        seeds_needed=None,
        needed_for=None,
        verdict="no verdict",
        note=why_not_comparable(results.metric.name),
    )


def _at_look(results: Results, contrasts: tuple[Contrast, ...]) -> tuple[dict[str, dict[int, float]], float] | None:
    """Values of all variants at the last look that all have reached, and its alpha; None before the first."""
    reached = [c.look for c in contrasts]
    if not reached or any(look is None for look in reached):
        return None
    last = min(look for look in reached if look is not None)
    seeds = results.seeds[: results.looks[last - 1].seeds] if results.looks else results.seeds
    alpha = results.looks[last - 1].alpha if results.looks else results.alpha
    return {
        v.name: {seed: y for seed, y in results.values(v.name).items() if seed in seeds} for v in results.variants
    }, alpha


def _second_opinion(results: Results, contrasts: tuple[Contrast, ...]) -> Pooled | None:
    from .pooled import second_opinion

    at = _at_look(results, contrasts)
    return None if at is None else second_opinion(at[0], results.baseline, at[1])


def _effects(results: Results, contrasts: tuple[Contrast, ...]) -> tuple[tuple[Effect, ...], tuple[Anova, ...]]:
    from .grid import grid_effects

    at = _at_look(results, contrasts)
    if results.design != "grid" or at is None:
        return (), ()
    cells = {tuple(v.levels[f] for f in results.factors): at[0][v.name] for v in results.variants}
    return grid_effects(results.factors, cells, at[1])


def _power(results: Results, contrasts: tuple[Contrast, ...]) -> Power:
    """What the seeds of the look that was reached could have seen, at the spread that pairing left."""
    from .power import detectable_size

    variances = [variance(c.differences) for c in contrasts if c.pairs > 1]
    reached = [results.looks[c.look - 1].seeds for c in contrasts if results.looks and c.look]
    seeds = min(reached, default=len(results.seeds))
    if not variances or seeds < 2:
        return Power(seeds=seeds, sd_of_differences=None, detectable=None)
    sd = mean(variances) ** 0.5
    alpha = min(c.alpha for c in contrasts)
    return Power(seeds, sd, detectable_size(seeds, alpha / len(contrasts)) * sd)


__all__ = ["analyse"]
