"""An analysis of results done by hand: what reports print, whatever the real analysis comes to think."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy import stats

from partwise.studies.analysis.findings import (
    Analysis,
    Contrast,
    Effect,
    FactorVerdict,
    Note,
    Pooled,
    PooledContrast,
    Power,
    Summary,
)
from partwise.studies.results import Results

from .statsmodels_holm import holm_of_statsmodels


def analysis_of(results: Results) -> Analysis:
    """Paired t-intervals, Holm, and verdicts by the plainest rules."""
    contrasts = tuple(holm([contrast(results, variant.name) for variant in results.variants[1:]]))
    scatter = [np.std(c.differences, ddof=1) for c in contrasts if c.pairs > 1]
    return Analysis(
        summaries=tuple(summary(results, variant.name) for variant in results.variants),
        contrasts=contrasts,
        pooled=pooled(contrasts) if scatter else None,
        effects=tuple(effects(results)) if results.design == "grid" else (),
        power=Power(
            seeds=len(results.seeds),
            sd_of_differences=float(np.mean(scatter)) if scatter else None,
            detectable=2.48 * float(np.mean(scatter)) if scatter else None,
        ),
        verdicts=tuple(
            FactorVerdict(factor, own, tuple(map(clause, own)))
            for factor in results.factors
            if (own := tuple(c for c in contrasts if c.factor == factor and c.pairs > 2))
        ),
        notes=notes(results),
    )


def notes(results: Results) -> tuple[Note, ...]:
    if len(results.variants) < 2:
        return ()
    lost = Note("lost_runs", "position=none: the mean is over the seeds that did not diverge.")
    return lost, Note("scope", "The verdicts hold for this recipe.")


def clause(contrast: Contrast) -> str:
    return f"{contrast.level} is {contrast.verdict}; as far as {contrast.pairs} seeds tell"


def summary(results: Results, variant: str) -> Summary:
    values = [*results.values(variant).values()]
    states = [outcome.state for outcome in results.of(variant)]
    return Summary(
        variant=variant,
        planned=len(states),
        done=states.count("done"),
        diverged=states.count("diverged"),
        failed=states.count("failed"),
        waiting=states.count("waiting"),
        mean=float(np.mean(values)) if values else None,
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else None,
    )


def contrast(results: Results, variant: str) -> Contrast:
    base, own = results.values(results.baseline), results.values(variant)
    levels = next(v for v in results.variants if v.name == variant).levels
    differ = [factor for factor in levels if levels[factor] != results.variants[0].levels[factor]]
    factor = differ[0] if len(differ) == 1 else None
    seeds = tuple(sorted(base.keys() & own.keys()))
    differences = tuple(own[seed] - base[seed] for seed in seeds)
    n = len(seeds)
    mean = float(np.mean(differences)) if n else None
    half = p = None
    if mean is not None and n > 1:
        half = float(stats.t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / np.sqrt(n))
        p = float(stats.ttest_1samp(differences, 0).pvalue)
    equivalent = None
    if half is not None and results.metric.smallest_effect:
        error, edge = np.std(differences, ddof=1) / np.sqrt(n), results.metric.smallest_effect
        equivalent = float(max(stats.t.sf((mean + edge) / error, n - 1), stats.t.cdf((mean - edge) / error, n - 1)))
    return Contrast(
        variant=variant,
        factor=factor,
        level=levels[factor] if factor else variant,
        pairs=n,
        seeds=seeds,
        differences=differences,
        difference=mean,
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
        p=p,
        p_adjusted=p,
        p_equivalent=equivalent,
        correlation=float(np.corrcoef([base[s] for s in seeds], [own[s] for s in seeds])[0, 1]) if n > 2 else None,
        seeds_needed=None,
        verdict=verdict(results, mean, p, equivalent) if n > 2 else "no verdict",
        notes=() if n > 2 else (Note("too_few_seeds", "fewer than three seeds have finished"),),
    )


def verdict(results: Results, mean: float | None, p: float | None, equivalent: float | None) -> str:
    if p is not None and p < 0.01:
        return "better" if (mean < 0) == (results.metric.goal == "min") else "worse"
    return "equivalent" if equivalent is not None and equivalent < 0.05 else "inconclusive"


def holm(contrasts: list[Contrast]) -> list[Contrast]:
    tested = [c for c in contrasts if c.p is not None]
    adjusted = holm_of_statsmodels([c.p for c in tested]) if tested else []
    found = dict(zip([c.variant for c in tested], map(float, adjusted), strict=True))
    return [
        Contrast(
            **c.__dict__
            | {"p_adjusted": found.get(c.variant), "seeds_needed": 14 if c.verdict == "inconclusive" else None}
        )
        for c in contrasts
    ]


def pooled(contrasts: tuple[Contrast, ...]) -> Pooled:
    rows = tuple(
        PooledContrast(c.variant, c.difference, c.difference - 0.013, c.difference + 0.013, 0.02, 0.04)
        for c in contrasts
        if c.difference is not None
    )
    return Pooled(equal_variance_p=0.31, usable=True, contrasts=rows)


def effects(results: Results) -> list[Effect]:
    found = [
        Effect(
            f"{factor}={level}", (factor,), -0.05 + 0.03 * number, -0.06 + 0.03 * number, -0.04 + 0.03 * number, 0.01
        )
        for number, (factor, levels) in enumerate(results.factors.items())
        for level in levels[1:]
    ]
    pairs = combinations([f"{factor}={levels[1]}" for factor, levels in results.factors.items()], 2)
    return found + [Effect(f"{a} x {b}", tuple(results.factors), -0.03, -0.055, -0.005, 0.024) for a, b in pairs]
