"""Simulated halving of trials, by the code in use.

python tests/core/studies/analysis/halving_simulation.py [SEARCHES]     prints the table of docs/studies-statistics.md
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from partwise.studies.analysis.statistics import Array
from partwise.studies.definition.study import Halving, Tuning
from partwise.studies.planning.halving import staying, whole_trainings


@dataclass(frozen=True)
class World:
    """What combinations come to, in SDs of a run: early figures go with those at the end as far as they do."""

    spread: float = 3.0
    """SD of the combinations' true figures at the end."""
    early: tuple[float, ...] = (0.7, 0.9)
    """Correlation of the true figures at each rung with those at the end."""

    def truth(self, searches: int, count: int, rng: np.random.Generator) -> Array:
        """(searches, rungs and the end, combinations)."""
        end = rng.normal(size=(searches, count))
        own = rng.normal(size=(searches, len(self.early), count))
        with_end = np.array(self.early)[:, None]
        at_rungs = with_end * end[:, None] + np.sqrt(1 - with_end**2) * own
        return self.spread * np.concatenate([at_rungs, end[:, None]], axis=1)


def chosen(truth: Array, keep: float, rng: np.random.Generator, tuning_seeds: int = 1) -> tuple[Array, Array]:
    """For each search the combination that it chooses, and which of them came to the end."""
    scores = truth + rng.normal(size=truth.shape) / np.sqrt(tuning_seeds)
    choice, kept = np.empty(len(truth), dtype=int), np.zeros(truth[:, 0].shape, dtype=bool)
    for number, one in enumerate(scores):
        still = np.arange(truth.shape[-1])
        for rung in one[:-1]:
            still = still[staying(rung[still].tolist(), keep)]
        kept[number, still] = True
        choice[number] = still[np.argmin(one[-1][still])]
    return choice, kept


@dataclass(frozen=True)
class Search:
    """What halving comes to, on average."""

    best_kept: float
    """How often the truly best combination comes to the end."""
    lost: float
    """How much worse the chosen one truly is than that of trials of which none is stopped, in SDs of a run."""
    trainings: float


def search(count: int, keep: float, world: World, searches: int, seed: int = 0) -> Search:
    """Of `count` combinations, with rungs at 0.1 and 0.3."""
    rng = np.random.default_rng(seed)
    truth = world.truth(searches, count, rng)
    choice, kept = chosen(truth, keep, rng)
    end = truth[:, -1]
    whole = (end + rng.normal(size=end.shape)).argmin(-1)
    rows = np.arange(searches)
    tune = Tuning(at="x", values=tuple(range(count)), halving=Halving(keep=keep))
    return Search(
        float(kept[rows, end.argmin(-1)].mean()),
        float((end[rows, choice] - end[rows, whole]).mean()),
        whole_trainings(tune),
    )


def halved_null(variants: int, seeds: int, studies: int, gap: float, count: int = 9, keep: float = 0.33) -> Array:
    """(studies, variants, 1, seeds) of variants without a difference, each seed tuned for itself by halving.

    The combinations' truth is the same for all variants of a study, and spreads by `gap` SDs of a run.
    """
    rng = np.random.default_rng(11)
    truth = World(gap).truth(studies, count, rng)
    each = np.repeat(truth, (variants + 1) * seeds, axis=0)
    choice, _ = chosen(each, keep, rng)
    runs = each[np.arange(len(each)), -1, choice] + rng.normal(size=len(each))
    of = runs.reshape(studies, variants + 1, 1, seeds)
    return of[:, 1:] - of[:, :1]


def halving_table(searches: int) -> list[str]:
    """How often the best is kept, what is lost and what is saved."""
    lines = [
        "| combinations | kept at each rung | early figures go with the last | best one kept | lost | trainings |",
        "|--:|--:|---|--:|--:|--:|",
    ]
    for count in (9, 27):
        for keep in (0.33, 0.5):
            for early in ((0.5, 0.8), (0.7, 0.9), (0.9, 0.97), (1.0, 1.0)):
                found = search(count, keep, World(early=early), searches)
                told = f"{found.best_kept:.2f} | {found.lost:.2f} | {found.trainings:.1f} of {count}"
                lines.append(f"| {count} | {keep:g} | {early[0]:g}, {early[1]:g} | {told} |")
    return lines


def error_table(studies: int) -> list[str]:
    """Of null studies of four variants at five seeds, tuned by halving: the share that finds anything."""
    from partwise.studies.analysis.verdicts import judge

    rates = []
    for gap in (0.3, 1.0, 3.0):
        of = halved_null(4, 5, studies, gap)
        found = judge([of[:, v, 0] for v in range(4)], 0.05, "min", None)
        rates.append(float(np.isin(found.verdict, ["better", "worse"]).any(-1).mean()))
    return ["", "null studies: " + ", ".join(f"{rate:.3f}" for rate in rates)]


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    print("\n".join([*halving_table(number), *error_table(number)]))
