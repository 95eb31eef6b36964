"""How certain a figure is that was measured on a text of finite length, whatever the seeds.

The text is in stretches, whose figures differ; the standard error is that of their weighted mean (a ratio, to first
order), which is what a bootstrap over the stretches comes to.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from partwise.studies.results import Outcome, Results

from .statistics import Array

FEWEST_STRETCHES = 5
"""With fewer their spread says little."""


def text_error(results: Results, variant: str, seeds: Sequence[int], baseline: str | None = None) -> float | None:
    """Standard error of the variant's mean over these seeds (less the baseline's on the same texts).

    None where stretches were not recorded, are too few, or are not the same for all of these runs.
    """
    own = _stretches(results.of(variant), seeds)
    against = None if baseline is None else _stretches(results.of(baseline), seeds)
    if own is None or (baseline is not None and against is None):
        return None
    tokens, figures = own
    if against is not None:
        if not np.array_equal(tokens, against[0]):
            return None
        figures = figures - against[1]
    return _error(tokens, figures)


def text_error_between(results: Results, variant: str, seeds: Sequence[int]) -> float | None:
    """Standard error, due to the text, of the difference between two runs of the variant: over neighbouring seeds, in
    the quadratic mean. None as above."""
    runs = [_stretches(results.of(variant), [seed]) for seed in seeds]
    if len(runs) < 2 or _stretches(results.of(variant), seeds) is None:
        return None
    known = [run for run in runs if run is not None]
    errors = [_error(one[0], one[1] - other[1]) for one, other in pairwise(known)]
    return float(np.sqrt(np.mean(np.square(errors))))


def _error(tokens: Array, figures: Array) -> float:
    """Of the weighted mean of stretches."""
    count, mean = len(tokens), np.average(figures, weights=tokens)
    apart = tokens * (figures - mean)
    return float(np.sqrt(count / (count - 1) * np.square(apart).sum()) / tokens.sum())


def _stretches(outcomes: Sequence[Outcome], seeds: Sequence[int]) -> tuple[Array, Array] | None:
    """Tokens of each stretch, and its figure as the mean over the seeds."""
    runs = [np.array(one.stretches, dtype=float) for one in outcomes if one.seed in seeds and one.state == "done"]
    if not runs or any(len(run) < FEWEST_STRETCHES or run.shape != runs[0].shape for run in runs):
        return None
    if any(not np.array_equal(run[:, 0], runs[0][:, 0]) for run in runs):
        return None
    return runs[0][:, 0], np.mean([run[:, 1] for run in runs], axis=0)


def measured_tokens(results: Results) -> list[int]:
    """Scored tokens that a figure of these results stands on: one number, or several if the tokenizer varies."""
    done = [one for one in results.outcomes if one.stretches]
    return sorted({sum(tokens for tokens, _ in one.stretches) for one in done})


__all__ = ["measured_tokens", "text_error", "text_error_between"]
