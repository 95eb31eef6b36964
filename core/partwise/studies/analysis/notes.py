"""What a reader must know beside the verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from partwise.studies.results import Results

from .findings import Contrast, Pooled, Summary, Tuning
from .paired import FEWEST_PAIRS, Array
from .scope import budgets
from .summaries import unequal_trials

FEWEST_FOR_SHAPE = 5


def notes(
    results: Results,
    summaries: Iterable[Summary],
    contrasts: Iterable[Contrast],
    pooled: Pooled | None,
    tuning: Iterable[Tuning],
) -> tuple[str, ...]:
    """In the order of their weight."""
    contrasts = list(contrasts)
    return (
        *_survivors(summaries),
        *_too_few(results, contrasts),
        *_looks(results, contrasts),
        *_seen(results),
        *_revised(results),
        *_skewed(contrasts),
        *_second(pooled),
        *_smallest(results),
        *_trials(tuning),
        *budgets(results),
        *_adding_seeds(contrasts),
    )


def _survivors(summaries: Iterable[Summary]) -> Iterator[str]:
    for s in summaries:
        if s.diverged or s.failed:
            what = f"of its {s.planned} runs {s.diverged} diverged and {s.failed} failed"
            mean = f"its mean is of the {s.done} that finished" if s.done else "it has no mean"
            yield f"{s.variant}: {what}; {mean}."


def _too_few(results: Results, contrasts: list[Contrast]) -> Iterator[str]:
    if len(results.seeds) < FEWEST_PAIRS:
        yield f"With fewer than {FEWEST_PAIRS} seeds there is no verdict."
    waiting = [c.variant for c in contrasts if c.verdict == "no verdict" and c.look is None]
    if waiting:
        yield f"Not finished, and so without verdict: {', '.join(waiting)}."


def _looks(results: Results, contrasts: list[Contrast]) -> Iterator[str]:
    for number, look in enumerate(results.looks, 1):
        at = [c.variant for c in contrasts if c.look == number]
        if at:
            yield (
                f"Look {number} of {len(results.looks)}, declared at {look.seeds} seeds with {look.alpha:g} of an "
                f"alpha of {results.alpha:g}: {', '.join(at)}. Later seeds are not in these figures."
            )


def _seen(results: Results) -> Iterator[str]:
    if results.seen:
        counts = " and ".join(map(str, results.seen))
        yield (
            f"Verdicts after {counts} seeds were told before seeds were added: a look that was not declared, "
            f"so that the chance of a false verdict is more than the {results.alpha:g} that is stated."
        )


def _revised(results: Results) -> Iterator[str]:
    if results.revised:
        yield f"The question was changed after verdicts had been told ({'; '.join(results.revised)})."


def _skewed(contrasts: list[Contrast]) -> Iterator[str]:
    """t-intervals of skewed differences cover less than they say: of exponential ones 88 %, not 95 %, at 5 seeds."""
    import numpy as np

    tested = [c for c in contrasts if c.pairs >= FEWEST_FOR_SHAPE and len(set(c.differences)) > 1]
    skewed = [c.variant for c in tested if skewness_p(np.array(c.differences)) < 0.05 / len(tested)]
    if skewed:
        yield (
            f"The differences are skewed: {', '.join(skewed)}. Their intervals may cover less than they say; "
            "look at the differences per seed."
        )


def skewness_p(differences: Array) -> float:
    """Two-sided p of the sample skewness under normal noise, from simulated samples of the same size."""
    import numpy as np
    from scipy.stats import skew

    normal = _normal_skewness(differences.size)
    return float((np.sum(normal >= abs(skew(differences))) + 1) / (normal.size + 1))


@lru_cache(maxsize=64)
def _normal_skewness(n: int) -> Array:
    """Absolute skewness of 10,000 normal samples."""
    import numpy as np
    from scipy.stats import skew

    return np.abs(skew(np.random.default_rng(0).normal(size=(10_000, n)), axis=-1))


def _second(pooled: Pooled | None) -> Iterator[str]:
    if pooled is not None and not pooled.usable:
        yield "The variants do not spread alike (Levene's test), so that the pooled second opinion is not to be used."


def _smallest(results: Results) -> Iterator[str]:
    if results.metric.smallest_effect is None:
        yield "No smallest effect that matters is declared, so that nothing can be called equivalent."


def _trials(tuning: Iterable[Tuning]) -> Iterator[str]:
    unequal = unequal_trials(tuning)
    if unequal:
        yield f"Tuning had unequal trials: {', '.join(f'{v} {n}' for v, n in unequal.items())}."


def _adding_seeds(contrasts: list[Contrast]) -> Iterator[str]:
    if any(c.seeds_needed is not None for c in contrasts):
        yield (
            "The seeds needed are those of a new study: to add seeds to this one because of what it shows is a look "
            "that was not declared, and inflates the error rate."
        )


__all__ = ["notes", "skewness_p"]
