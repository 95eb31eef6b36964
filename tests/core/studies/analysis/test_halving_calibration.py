"""How often halving keeps the best, and that verdicts after it err no more than they may."""

from __future__ import annotations

import numpy as np
import pytest

from partwise.studies.analysis.verdicts import judge

from .halving_simulation import World, chosen, halved_null, search


def test_where_early_figures_tell_nothing_the_best_is_kept_as_by_chance() -> None:
    found = search(9, 0.33, World(early=(0.0, 0.0)), 1_000)
    assert found.best_kept == pytest.approx(1 / 9, abs=0.05)


def test_the_better_early_figures_tell_the_last_the_more_often_the_best_is_kept() -> None:
    kept = [search(27, 0.33, World(early=(r, r)), 500).best_kept for r in (0.3, 0.7, 0.95, 1.0)]
    assert kept == sorted(kept)
    assert kept[-1] > 0.85


def test_without_noise_and_with_early_figures_that_tell_all_halving_chooses_the_best() -> None:
    rng = np.random.default_rng(0)
    truth = World(spread=1e6, early=(1.0, 1.0)).truth(200, 9, rng)
    choice, _ = chosen(truth, 0.33, rng)
    assert (choice == truth[:, -1].argmin(-1)).all()


@pytest.mark.parametrize("gap", [0.3, 1.0, 3.0])
def test_verdicts_after_halving_are_wrong_in_at_most_5_percent_of_studies_without_differences(gap: float) -> None:
    studies = 600
    of = halved_null(4, 5, studies, gap)
    found = judge([of[:, v, 0] for v in range(4)], 0.05, "min", None)
    wrong = np.isin(found.verdict, ["better", "worse"]).any(-1).mean()
    assert wrong < 0.06 + 2 * np.sqrt(0.05 * 0.95 / studies)
