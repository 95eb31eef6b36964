"""Main effects and interactions of grids: against scipy, by simulation, and in words."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from partwise.studies.analysis import analyse
from partwise.studies.analysis.findings import Effect
from partwise.studies.analysis.grid_effects import grid_contrasts
from partwise.studies.analysis.verdicts import judge
from partwise.studies.results import Results

from ..statsmodels_holm import holm_of_statsmodels
from .conftest import make_study

FACTORS = {"position": ["learned", "rope", "alibi"], "norm": ["layer", "rms"], "act": ["gelu", "relu"]}
SMALL = {"position": ["learned", "rope"], "norm": ["layer", "rms"]}


def named(factors: dict[str, list[str]]) -> list[str]:
    """The variants of a grid, the base first."""
    names = []
    for cell in product(*factors.values()):
        changed = [
            f"{f}={level}" for (f, levels), level in zip(factors.items(), cell, strict=True) if level != levels[0]
        ]
        names.append(", ".join(changed) or "base")
    return names


def grid(factors: dict[str, list[str]], y: npt.NDArray[np.float64], **facts: object) -> Results:
    """A study of `y` [cells, seeds]."""
    runs = dict(zip(named(factors), y.tolist(), strict=True))
    return make_study(runs, 0.01, design="grid", factors=factors, **facts)


def by_name(results: Results) -> dict[str, Effect]:
    return {effect.name: effect for effect in analyse(results).effects}


@pytest.fixture
def y() -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(4)
    return rng.normal(size=(12, 4)) + rng.normal(size=4)


def test_a_main_effect_is_a_t_test_of_one_figure_per_seed(y) -> None:
    found = by_name(grid(FACTORS, y))["position=rope"]
    per_seed = y[4:8].mean(0) - y[0:4].mean(0)  # position is the outermost factor
    theirs = stats.ttest_1samp(per_seed, 0)
    interval = theirs.confidence_interval(0.95)
    assert (found.estimate, found.p) == pytest.approx((per_seed.mean(), theirs.pvalue))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.seeds == 4


def test_an_interaction_is_a_t_test_of_differences_of_differences(y) -> None:
    found = by_name(grid(FACTORS, y))["position=alibi x norm=rms"]
    at = y.reshape(3, 2, 2, 4).mean(2)
    per_seed = (at[2, 1] - at[0, 1]) - (at[2, 0] - at[0, 0])
    assert (found.estimate, found.p) == pytest.approx((per_seed.mean(), stats.ttest_1samp(per_seed, 0).pvalue))
    assert found.factors == ("position", "norm")


def test_contrasts_and_effects_are_one_holm_family(y) -> None:
    found = analyse(grid(FACTORS, y))
    assert (len(found.contrasts), len(found.effects)) == (11, 4 + 5)
    tests = [*found.contrasts, *found.effects]
    adjusted = holm_of_statsmodels([one.p for one in tests])
    assert [one.p_adjusted for one in tests] == pytest.approx(list(adjusted))


def test_simultaneous_intervals_are_bonferronis_over_contrasts_and_effects(y) -> None:
    found = analyse(grid(FACTORS, y))
    for one in (found.contrasts[0], found.effects[-1]):
        figures = np.array(one.differences) if hasattr(one, "differences") else None
        if figures is not None:
            interval = stats.ttest_1samp(figures, 0).confidence_interval(1 - 0.05 / 20)
            assert (one.low_all, one.high_all) == pytest.approx((interval.low, interval.high))
        assert one.low_all < one.low < one.high < one.high_all


def errors(
    noise: npt.NDArray[np.float64], seeds: int, studies: int, factors: dict[str, list[str]]
) -> tuple[float, float]:
    """Share of null studies with any false verdict, and of null effects with p < .05; `noise` is the SD by cell."""
    rng = np.random.default_rng(20)
    y = rng.normal(size=(len(noise), studies, seeds)) * noise[:, None, None] + 2 * rng.normal(size=(studies, seeds))
    contrasts = grid_contrasts(grid(factors, np.zeros((len(noise), 3))))
    place = {name: i for i, name in enumerate(named(factors))}
    effects = [sum(w * y[place[variant]] for variant, w in one.weights.items()) for one in contrasts]
    found = judge([of - y[0] for of in y[1:]], 0.05, "min", None, effects=effects)
    wrong = np.isin(found.verdict, ["better", "worse"]).any(-1) | (found.effects.p_adjusted < 0.05).any(-1)
    return float(wrong.mean()), float((found.effects.p < 0.05).mean(0).max())


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("noisy", ["none", "one level", "one cell", "the baseline"])
def test_a_null_grid_finds_anything_in_at_most_5_percent_of_studies(noisy: str, seeds: int) -> None:
    """2 x 2, through the code of `analyse`, also with one level ten times as noisy."""
    noise = {
        "none": [1, 1, 1, 1],
        "one level": [1, 10, 1, 10],
        "one cell": [1, 1, 1, 10],
        "the baseline": [10, 1, 1, 1],
    }
    family, single = errors(np.array(noise[noisy], dtype=float), seeds, 20_000, SMALL)
    assert family < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 20_000)
    assert single < 0.05 + 5 * np.sqrt(0.05 * 0.95 / 20_000), "each effect by itself holds its level, too"


@pytest.mark.exhaustive
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_a_large_null_grid_with_one_noisy_level_finds_anything_in_at_most_5_percent_of_studies(seeds: int) -> None:
    noise = np.array([10.0 if cell[0] == "alibi" else 1.0 for cell in product(*FACTORS.values())])
    family, single = errors(noise, seeds, 50_000, FACTORS)
    assert family < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 50_000)
    assert single < 0.05 + 5 * np.sqrt(0.05 * 0.95 / 50_000)


def test_effects_are_told_of_the_seeds_that_all_their_cells_finished(study) -> None:
    runs = dict(zip(named(SMALL), [[2.0, 2.1, 2.2, 2.3, 2.4] for _ in range(4)], strict=True))
    runs["position=rope, norm=rms"] = [1.0, 1.11, "failed", 1.31, 1.42]
    found = {e.name: e for e in analyse(study(runs, 0.01, design="grid", factors=SMALL)).effects}
    rope = found["position=rope"]
    assert (rope.seeds, rope.estimate) == (4, pytest.approx(np.mean([-0.5, -0.495, -0.495, -0.49])))
    assert rope.verdict in ("inconclusive", "depends"), "better on the survivors, of which its own cells have fewer"
    assert "its cells lost 1 run" in rope.notes[-1].text


def test_with_too_few_seeds_there_are_no_effects_and_no_failure(study) -> None:
    for seeds in (1, 2):
        runs = {name: [1.0] * seeds for name in named(SMALL)}
        assert analyse(study(runs, design="grid", factors=SMALL)).effects == ()


def test_effects_that_need_a_cell_without_runs_are_left_out_and_still_count(study) -> None:
    rng = np.random.default_rng(1)
    runs = {name: rng.normal(2, 0.1, 4).tolist() for name in named(FACTORS)}
    runs["position=rope, norm=rms, act=relu"] = ["failed"] * 4
    found = analyse(study(runs, 0.01, design="grid", factors=FACTORS))
    names = {effect.name for effect in found.effects}
    assert "position=alibi" in names
    assert not any("position=rope" in name or name in ("norm=rms", "act=relu") for name in names)
    smallest = min([*found.contrasts, *found.effects], key=lambda one: 9 if one.p is None else one.p)
    assert smallest.p_adjusted == pytest.approx(min(1, 20 * smallest.p))


def test_before_its_look_a_grid_tells_no_effects_and_at_it_they_have_its_alpha(study) -> None:
    rng = np.random.default_rng(1)
    runs = {name: [*rng.normal(2, 0.1, 4).tolist(), "waiting"] for name in named(SMALL)}
    assert analyse(study(runs, 0.01, design="grid", factors=SMALL)).effects == ()
    early = analyse(study(runs, 0.01, design="grid", factors=SMALL, looks=[(3, 0.01), (5, 0.04)])).effects
    assert {(one.alpha, one.seeds) for one in early} == {(0.01, 3)}


def interacting(rope: float, rms: float, both: float, noise: float = 0.001) -> Results:
    rng = np.random.default_rng(3)
    put_in = np.array([0.0, rms, rope, both])
    return grid(SMALL, 2 + put_in[:, None] + rng.normal(0, 0.05, 5) + noise * rng.normal(size=(4, 5)))


def test_a_grid_study_tells_its_effects() -> None:
    found = analyse(interacting(rope=-0.31, rms=0.1, both=-0.21))
    assert {e.name: (round(e.estimate, 2), e.verdict) for e in found.effects} == {
        "position=rope": (-0.31, "better"),
        "norm=rms": (0.1, "worse"),
        "position=rope x norm=rms": (0.0, "not found"),
    }
    assert set(found.sentences) == {"position", "norm", "interactions"}
    assert "averaged over norm, rope is better than learned: the difference is −0.3" in found.sentences["position"]
    assert "with layer, rope is better than learned: the difference is −0.3" in found.sentences["position"]
    assert "no interaction of rope and rms was noticed" in found.sentences["interactions"]
    assert [c.factor for c in found.contrasts] == ["norm", "position", None]


def test_a_level_that_helps_in_one_company_only_is_not_called_better() -> None:
    """rope is better with layer norm, and worse with RMS norm; on the average it does nothing."""
    found = analyse(interacting(rope=-0.31, rms=0.0, both=0.31))
    position, norm, interactions = found.verdicts
    assert position.headline == "what rope does depends on norm (with layer, rope is better)."
    assert norm.headline.startswith("what rms does depends on position")
    assert interactions.headline == "found: rope x rms."
    said = position.clauses[-1]
    assert said.startswith("what rope does depends on norm: the difference from learned is −0.3")
    assert "with layer and +0.3" in said
    rope = found.effects[0]
    assert [(one.level, round(one.estimate, 1)) for one in rope.within] == [("layer", -0.3), ("rms", 0.3)]


def test_where_no_interaction_is_found_the_headline_is_that_of_the_average() -> None:
    found = analyse(interacting(rope=-0.31, rms=0.1, both=-0.21))
    assert found.verdicts[0].headline == "averaged over norm, rope is better."
    assert found.verdicts[2].headline == "none was noticed."


def test_a_difference_has_one_sign_in_table_contrast_and_effect() -> None:
    for goal in ("min", "max"):
        results = interacting(rope=-0.31, rms=0.1, both=-0.21)
        results = results.model_copy(update={"metric": results.metric.model_copy(update={"goal": goal})})
        verdict = "better" if goal == "min" else "worse"
        for clause in analyse(results).verdicts[0].clauses:
            assert f"rope is {verdict} than learned: the difference is −0.3" in clause
