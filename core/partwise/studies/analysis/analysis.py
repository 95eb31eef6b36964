"""The analysis of a study, from its results to what is said about it."""

from __future__ import annotations

from statistics import mean, variance

from partwise.studies.results import Results
from partwise.studies.validity import comparable

from .findings import Analysis, Contrast, Power


def analyse(results: Results) -> Analysis:
    """Everything that is said about a study, computed from its results alone.

    Raises:
        InputError: the declared looks do not hold the study's alpha.
    """
    from .contrasts import compare
    from .notes import refusal, study_notes
    from .pooled_model import second_opinion
    from .sentences import factor_verdicts
    from .summaries import summaries, tuning, tuning_cost

    compared, described, trials = compare(results), summaries(results), tuning(results)
    contrasts, effects = compared.contrasts, compared.effects
    if not comparable(results.metric.name, results.tokenizer_varies):
        unknown = Power(len(results.seeds), sd_of_differences=None, detectable=None)
        return Analysis(described, contrasts, None, (), unknown, notes=refusal(results), tuning=trials,
                        tuning_cost=tuning_cost(results))  # fmt: skip
    at = _last_common_look(results, contrasts)
    pooled = None if at is None else second_opinion(at[0], results.baseline, at[1])
    return Analysis(
        summaries=described,
        contrasts=contrasts,
        pooled=pooled,
        effects=effects,
        power=_power(results, contrasts),
        verdicts=factor_verdicts(results, contrasts, effects),
        notes=study_notes(results, described, contrasts, pooled, trials, effects),
        tuning=trials,
        tuning_cost=tuning_cost(results),
    )


def _last_common_look(
    results: Results, contrasts: tuple[Contrast, ...]
) -> tuple[dict[str, dict[int, float]], float] | None:
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


def _power(results: Results, contrasts: tuple[Contrast, ...]) -> Power:
    """What the seeds of the look that was reached could have detected, at the spread that pairing left."""
    from .grid_effects import family
    from .power import detectable_size

    variances = [variance(c.differences) for c in contrasts if c.pairs > 1]
    reached = [results.looks[c.look - 1].seeds for c in contrasts if results.looks and c.look]
    seeds = min(reached, default=len(results.seeds))
    if not variances or seeds < 2:
        return Power(seeds=seeds, sd_of_differences=None, detectable=None)
    sd = mean(variances) ** 0.5
    alpha = min(c.alpha for c in contrasts)
    return Power(seeds, sd, detectable_size(seeds, alpha / family(results)) * sd)


__all__ = ["analyse"]
