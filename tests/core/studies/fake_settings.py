"""Studies with sizes, texts and secondary metrics that were never run, as their reports must tell them.

python -m tests.core.studies.fake_settings DIRECTORY [STUDY ...]     writes their reports, to be looked at
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from partwise.studies.results import Metric, Results

from .fake_ladder import BITS, SIZES, TEST, Array, baseline_curve, noisy, planted, study_of
from .fake_results import PROVENANCE, TRACEBACK

CLOZE = Metric(name="cloze.accuracy", split="test", goal="max", smallest_effect=0.01)
SHIFTS: dict[str, Sequence[float]] = {
    "learned": [0, 0, 0, 0], "rope": [-0.12, -0.1, -0.1, -0.09], "alibi": [-0.12, -0.07, -0.03, 0.0],
    "t5_bias": [0, -0.01, -0.05, -0.09], "sinusoidal": [-0.08, -0.03, 0.03, 0.08], "null": [0, 0, 0, 0],
}  # fmt: skip
ABOUT = "What a GPT gains by how it is told the order of its tokens, and whether that lasts as it grows."


def over(shifts: Mapping[str, Sequence[float]], texts: int, seeds: int, spread: float = 0.004) -> dict[str, Array]:
    """(sizes, texts, seeds) of each level: texts differ in how hard they are, and a little in every effect."""
    rng = np.random.default_rng(7)
    base, hard = baseline_curve(), np.arange(max(texts, 1)) * 0.2
    found = noisy({level: base + np.array(of) for level, of in shifts.items()}, seeds, texts=max(texts, 1))
    own = {level: rng.normal(0, spread, (1, max(texts, 1), 1)) * bool(number) for number, level in enumerate(shifts)}
    return {level: of + hard[None, :, None] + own[level] for level, of in found.items()}


def metrics(figures: Mapping[str, Array]) -> dict[str, tuple[Metric, dict[str, Array]]]:
    """Beside the primary metric: the same on the test split, and an evaluation of which more is better."""
    rng = np.random.default_rng(11)
    test = {level: of + 0.03 + rng.normal(0, 0.004, of.shape) for level, of in figures.items()}
    cloze = {level: 1.05 - 0.25 * of + rng.normal(0, 0.006, of.shape) for level, of in figures.items()}
    return {"bits on test": (TEST, test), "cloze": (CLOZE, cloze)}


def _study(shifts: Mapping[str, Sequence[float]], texts: Sequence[str] = (), seeds: int = 5, **facts: Any) -> Results:
    figures = over(shifts, len(texts), seeds)
    settings = {"about": ABOUT, "provenance": PROVENANCE, "secondary": metrics(figures), "study": "positions-by-size"}
    return study_of(figures, texts=texts, **settings | facts)


def sizes() -> Results:
    """Four sizes, one text, one metric: each verdict once."""
    return planted(about=ABOUT, provenance=PROVENANCE, study="positions-by-size")


def sizes_and_texts() -> Results:
    """Four sizes, three texts, two secondary metrics; two runs were lost."""
    results = _study(SHIFTS, ("wiki", "code", "news"))
    return broken(results, ("position=null", "0.3M", "code", 2), ("position=sinusoidal", "3M", "wiki", 4))


def two_texts() -> Results:
    """Four sizes on two texts, which are too few to speak for others."""
    return _study(SHIFTS, ("wiki", "code"))


def texts() -> Results:
    """Three texts, one size."""
    shifts = {level: of[:1] for level, of in SHIFTS.items()}
    figures = {level: of[:1] for level, of in over(shifts, 3, 5).items()}
    return study_of(
        figures, sizes=(), texts=("wiki", "code", "news"), secondary=metrics(figures), study="positions-by-text",
        about=ABOUT, provenance=PROVENANCE,
    )  # fmt: skip


def several_metrics() -> Results:
    """Neither sizes nor texts, but two secondary metrics."""
    figures = {level: of[:1] for level, of in over({level: of[:1] for level, of in SHIFTS.items()}, 1, 5).items()}
    return study_of(
        figures, sizes=(), secondary=metrics(figures), study="positions", about=ABOUT, provenance=PROVENANCE
    )


def thirty() -> Results:
    """Thirty variants at four sizes on three texts, by three metrics; one of them is far from all the others."""
    steps = [(number * 7) % 11 - 5 for number in range(30)]
    shifts = {
        f"part_{number:02}": [0.006 * step, 0.006 * step, 0.004 * step, 0.003 * step * (-1) ** (number % 5 == 4)]
        for number, step in enumerate(steps)
    }
    shifts["part_00"], shifts["part_17"] = [0] * 4, [1.2] * 4
    return _study(shifts, ("wiki", "code", "news"), study="thirty-parts-by-size")


def two_sizes() -> Results:
    """The smallest ladder, with half of the larger size still to come."""
    figures = {level: of[:2] for level, of in over(SHIFTS, 1, 3).items()}
    results = study_of(figures, sizes=SIZES[:2], flops=(1e12, 1e13), study="two-sizes", provenance=PROVENANCE)
    late = [o.model_copy(update={"state": "waiting", "metric": None}) if o.size == "0.3M" and o.seed else o
            for o in results.outcomes]  # fmt: skip
    return results.model_copy(update={"outcomes": late})


def broken(results: Results, *runs: tuple[str, str | None, str | None, int]) -> Results:
    """The same, but that these runs failed."""
    facts = {"state": "failed", "metric": None, "secondary": {}, "error": "out of memory", "output": TRACEBACK}
    outcomes = [o.model_copy(update=facts) if (*o.key, o.seed) in runs else o for o in results.outcomes]
    return results.model_copy(update={"outcomes": outcomes})


STUDIES: dict[str, Callable[[], Results]] = {
    study.__name__: study
    for study in (sizes, sizes_and_texts, two_texts, texts, several_metrics, thirty, two_sizes)
}  # fmt: skip
__all__ = ["BITS", "STUDIES", "broken"]

if __name__ == "__main__":
    import sys
    from pathlib import Path

    from partwise.studies.report import write_report

    for name in sys.argv[2:] or STUDIES:
        for path in write_report(STUDIES[name](), Path(sys.argv[1]) / name):
            print(path)
