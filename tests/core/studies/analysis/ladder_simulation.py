"""Simulated ladders of differences, judged by the code in use.

python tests/core/studies/analysis/ladder_simulation.py [STUDIES]     prints the tables of docs/studies-statistics.md
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from partwise.studies.analysis.ladder_verdicts import at_every_size, ladder_words, lost_half, slopes
from partwise.studies.analysis.statistics import widened
from partwise.studies.analysis.verdicts import judge
from partwise.studies.results import SharedChoice

Array = npt.NDArray[np.float64]
EQUAL, FALLING, RISING = (1.0,), (3.0, 1.5, 1.0, 0.7), (0.5, 1.0, 2.0, 4.0)
"""SD at each size."""


NULL, ONE = [0.0] * 4, 6.0
CONSTANT, FADING, GROWING = [-ONE] * 4, [-ONE, -ONE * 2 / 3, -ONE / 3, 0.0], [0.0, -ONE / 3, -ONE * 2 / 3, -ONE]
REVERSING, HALVING = [-ONE, -ONE / 3, ONE / 3, ONE], [-ONE, -0.8 * ONE, -0.63 * ONE, -0.5 * ONE]


def differences(
    truth: Sequence[Sequence[float]], seeds: int, scatter: Sequence[float], studies: int, seed: int = 0
) -> Array:
    """(studies, variants, sizes, seeds): each variant's true differences, and noise of it and of a shared baseline."""
    rng = np.random.default_rng(seed)
    means = np.array(truth)
    sd = np.resize(scatter, means.shape[-1])[:, None]
    base = rng.normal(size=(studies, 1, means.shape[-1], seeds))
    return means[..., None] + sd * (rng.normal(size=(studies, *means.shape, seeds)) - base)


def judged(of: Array, margin: float | None = None) -> tuple[Array, Array]:
    """Words of (studies, variants), and whether a study finds anything: as `compare` and `told_ladder` do."""
    studies, variants, sizes, _ = of.shape
    compute = np.arange(sizes, dtype=float)
    flat = [of[:, v, k] for v in range(variants) for k in range(sizes)]
    found = judge(flat, 0.05, "min", margin, None, [slopes(of[:, v], compute) for v in range(variants)])
    verdict, mean, p = (x.reshape(studies, variants, sizes) for x in (found.verdict, found.tested.mean, found.tested.p))
    every = at_every_size(mean, np.where(verdict == "equivalent", 1.0, p))
    slope, slope_p = found.effects.mean, found.effects.p_adjusted
    anything = np.isin(verdict, ["better", "worse"]).any((-1, -2)) | (slope_p < 0.05).any(-1)
    return ladder_words(verdict, every, lost_half(of), slope, slope_p, "min", 0.05), anything


def shares(words: Array) -> dict[str, float]:
    """Of the first variant."""
    return {str(word): float(np.mean(words[:, 0] == word)) for word in np.unique(words)}


SHAPES = ("bowl", "needle")
"""How the figure depends on the knob: a parabola whose best lies between two values, or all alike but one good one."""


def tuned_null(
    variants: int, sizes: int, seeds: int, studies: int, gap: float = 0.0, trials: int = 5,
    tuning_seeds: int | None = 1, shape: str = "bowl", better: float = 0.0, wider: bool = False,
) -> Array:  # fmt: skip
    """(studies, variants, sizes, seeds) of variants without a difference, each at the best of its own noisy trials.

    Args:
        gap: scale of the response to the knob, in SDs of a run.
        tuning_seeds: by whose mean all runs of a variant are tuned; None: each seed is by a trial of its own.
        better: by how much all variants are, after all.
        wider: as it is tested, if all runs share a choice.
    """
    rng = np.random.default_rng(7)
    values = np.arange(trials)
    response = gap * (np.square(values - trials // 2 + 0.5) if shape == "bowl" else (values > 0) * 2.0)
    scores = (studies, variants + 1, sizes, seeds if tuning_seeds is None else 1, trials)
    tried = response + rng.normal(size=scores) / np.sqrt(tuning_seeds or 1)
    runs = response[tried.argmin(-1)] + rng.normal(size=(*scores[:3], seeds))
    found = runs[:, 1:] - runs[:, :1] - better
    shared = None if tuning_seeds is None or not wider else SharedChoice(seeds=tuning_seeds, among=trials)
    return found if shared is None else widened(found, shared.widening(seeds))


WORDS = ("holds", "fades", "grows", "reverses", "inconclusive")
TRUTHS = {
    "null": NULL, "constant": CONSTANT, "halving": HALVING, "fading": FADING, "growing": GROWING,
    "reversing": REVERSING,
}  # fmt: skip


def verdict_table(studies: int) -> list[str]:
    """Of one variant at four sizes, how often each verdict is given."""
    lines = [f"| truth | scatter | seeds | {' | '.join(WORDS)} |", f"|{'---|' * (3 + len(WORDS))}"]
    for name, truth in TRUTHS.items():
        for kind, scatter in (("equal", EQUAL), ("falling", FALLING), ("rising", RISING)):
            for seeds in (3, 5, 10):
                found = shares(judged(differences([truth], seeds, scatter, studies))[0])
                told = " | ".join(f"{found.get(word, 0.0):.3f}" for word in WORDS)
                lines.append(f"| {name} | {kind} | {seeds} | {told} |")
    return lines


def tuning_table(studies: int) -> list[str]:
    """Null studies, tuned: the share that finds anything, and of studies with a difference, at the worst response."""
    lines = ["| tuned by | 3 seeds | 5 seeds | 10 seeds | power |", "|---|---|---|---|---|"]
    for tuning_seeds in (None, 1, 2, 3, 5, 10):
        for wider in (True,) if tuning_seeds is None else (False, True):
            worst = [max(_finding(3, 4, seeds, studies, tuning_seeds, wider)) for seeds in (3, 5, 10)]
            power = min(_finding(1, 2, 5, studies, tuning_seeds, wider, better=3.0))
            own = "each seed for itself" if tuning_seeds is None else f"{tuning_seeds} for all"
            told = own if tuning_seeds is None or wider else f"{own}, intervals not widened"
            lines.append(f"| {told} | {' | '.join(f'{rate:.3f}' for rate in [*worst, power])} |")
    return lines


def _finding(
    variants: int, sizes: int, seeds: int, studies: int, tuning_seeds: int | None, wider: bool, better: float = 0.0
) -> list[float]:
    """At several scales of the knob's response, and for both shapes."""
    scale = 1 / np.sqrt(tuning_seeds or 1)
    return [
        float(np.mean(judged(
            tuned_null(variants, sizes, seeds, studies, gap * scale, 5, tuning_seeds, shape, better, wider)
        )[1]))
        for gap in (0.05, 0.1, 0.2, 0.4, 0.8, 1.2) for shape in SHAPES
    ]  # fmt: skip


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    print("\n".join([*verdict_table(count), "", *tuning_table(count // 2)]))
