"""From differences to verdicts, for all contrasts of a study at once; over arrays, so that tests can simulate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import cast

import numpy as np

from partwise.studies.results import Correction, Goal
from partwise.studies.validity import FEWEST_SEEDS

from .findings import Verdict
from .statistics import Array, Paired, adjusted, equivalence_p, paired_t


@dataclass(frozen=True)
class Tested:
    """Contrasts or effects of a study at one look; arrays of shape (..., tests), nan where there is no t-test."""

    mean: Array
    low: Array
    high: Array
    p: Array
    """Of the t-test."""
    p_adjusted: Array
    """Of the t-test and, where runs diverged, the test on how many did; Holm over contrasts and effects together."""
    low_all: Array
    """Of intervals that hold all at once: Bonferroni, over contrasts and effects together."""
    high_all: Array

    def part(self, which: slice) -> Tested:
        """Some of them."""
        return Tested(*(getattr(self, field.name)[..., which] for field in fields(self)))


@dataclass(frozen=True)
class Judged:
    """All contrasts of a study at one look, and the effects of a grid; arrays of shape (..., contrasts)."""

    tested: Tested
    p_equivalent: Array
    """Holm over the contrasts."""
    verdict: Array
    """Strings: better, worse, equivalent, inconclusive."""
    effects: Tested


def judge(
    differences: Sequence[Array | None],
    alpha: float,
    goal: Goal,
    margin: float | None,
    divergence: Sequence[float | None] | None = None,
    effects: Sequence[Array | None] = (),
    correction: Correction = "holm",
) -> Judged:
    """Tests every contrast and every effect that the study declares, corrected over all of them.

    One that cannot be tested counts as p = 1: those that are missing never make it easier for the rest,
    and their arrival later can only lower the others' adjusted p.

    Where both tests exist (runs diverged, and enough pairs survived), the contrast stands on the smaller p
    doubled, so that a null contrast is still called different in at most `alpha` of studies.

    Args:
        differences: one (..., n) per contrast, or None where there are too few pairs; the n may differ.
        divergence: signed p per contrast that the numbers of diverged runs differ, positive where the variant
            has more of them; None where nothing diverged.
        effects: of a grid, likewise one (..., n) each.
        correction: over all of them.
    """
    contrasts = len(differences)
    lost = np.array([np.nan if d is None else d for d in divergence or [None] * contrasts], dtype=float)
    every = _tested([*differences, *effects], alpha, np.append(lost, [np.nan] * len(effects)), correction)
    t = every.part(slice(contrasts))
    untested = np.ones(t.mean.shape[:-1])
    within = [untested if d is None or margin is None else equivalence_p(d, margin) for d in differences]
    p_equivalent = adjusted(np.stack(within, axis=-1), correction) if within else np.ones(t.mean.shape)
    by_loss = np.abs(np.nan_to_num(lost, nan=2.0)) < np.nan_to_num(t.p, nan=1.5)
    good = np.where(by_loss, lost < 0, t.mean < 0 if goal == "min" else t.mean > 0)
    negligible = np.where(by_loss & (t.p_adjusted < alpha), 1.0, p_equivalent)  # diverging more often never is
    words = verdicts(good, t.p_adjusted, negligible, alpha)
    return Judged(t, p_equivalent, words, every.part(slice(contrasts, None)))


def _tested(differences: Sequence[Array | None], alpha: float, lost: Array, correction: Correction) -> Tested:
    """All t-tests, and the correction over all of them."""
    shape = next((d.shape[:-1] for d in differences if d is not None), ())
    nothing = Paired(*(np.full(shape, np.nan) for _ in range(4)))
    tests = [nothing if d is None else paired_t(d, alpha) for d in differences]
    wide = [nothing if d is None else paired_t(d, alpha / len(differences)) for d in differences]
    mean, low, high, p = (_stacked(tests, name) for name in ("mean", "low", "high", "p"))
    return Tested(
        mean,
        low,
        high,
        p,
        adjusted(_either(p, np.abs(lost)), correction),
        _stacked(wide, "low"),
        _stacked(wide, "high"),
    )


def _stacked(tests: Sequence[Paired], name: str) -> Array:
    return np.stack([getattr(test, name) for test in tests], axis=-1)


def _either(p: Array, other: Array) -> Array:
    """One p of two tests: the smaller doubled where both exist, 1 where neither does."""
    both = np.isfinite(p) & np.isfinite(other)
    return np.nan_to_num(np.minimum(1.0, np.fmin(p, other) * np.where(both, 2.0, 1.0)), nan=1.0)


def verdicts(good: Array, p_adjusted: Array, p_equivalent: Array, alpha: float) -> Array:
    """One word each.

    Shown to be within the smallest effect comes first: such a difference may be real (a small adjusted p) and is
    still one that was declared not to matter, so that it is `equivalent`, and the sentence says both. What is
    significant and not shown to be negligible is `better` or `worse`: a claim on its direction, not that it
    exceeds the smallest effect, and the sentence says that too. Each of the two claims is corrected over all
    contrasts.
    """
    return np.select(
        [p_equivalent < alpha, (p_adjusted < alpha) & good, p_adjusted < alpha],
        ["equivalent", "better", "worse"],
        "inconclusive",
    )


def paired_array(differences: Sequence[float]) -> Array | None:
    """As an array, or None if too few for a verdict."""
    return np.array(differences, dtype=float) if len(differences) >= FEWEST_SEEDS else None


def always_diverged(diverged: tuple[int, int], done: tuple[int, int]) -> Verdict | None:
    """The verdict on a pair of which one side always diverged and the other never, in at least three runs each.

    A rule, and no test: with three seeds Fisher's test of that has p = .10, so that no study of three could ever say
    what everybody sees. `always_diverges_error` is its error rate, which comes on top of the study's alpha.
    """
    for verdict, one, other in (("worse", 0, 1), ("better", 1, 0)):
        if diverged[one] >= FEWEST_SEEDS and not done[one] and done[other] >= FEWEST_SEEDS and not diverged[other]:
            return cast("Verdict", verdict)
    return None


def withholds(verdict: Verdict, lost: tuple[int, int]) -> bool:
    """Whether a verdict favours the side that lost more runs (of the variant, of the baseline).

    A run that diverged or failed counts against its side, whose survivors may be the lucky ones.
    """
    variant, baseline = lost
    favoured = {"better": variant > baseline, "worse": baseline > variant, "equivalent": variant != baseline}
    return favoured.get(verdict, False)


__all__ = ["Judged", "Tested", "always_diverged", "judge", "paired_array", "verdicts", "withholds"]
