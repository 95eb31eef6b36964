"""Error rates and coverage over ladders of sizes, over texts and with tuning, by simulation through the code in use."""

from __future__ import annotations

import numpy as np
import pytest

from partwise.studies.analysis import analyse
from partwise.studies.analysis.findings import Analysis
from partwise.studies.analysis.ladder_verdicts import slopes
from partwise.studies.analysis.speed_up import shift_at
from partwise.studies.analysis.statistics import paired_t
from partwise.studies.results import Results

from ..fake_ladder import BITS, FLOPS, SIZES, TEST, study_of
from . import speed_up_candidates as candidates
from .ladder_simulation import (
    CONSTANT,
    EQUAL,
    FADING,
    FALLING,
    GROWING,
    HALVING,
    NULL,
    REVERSING,
    RISING,
    SHAPES,
    differences,
    judged,
    shares,
    tuned_null,
)


def slack(rate: float, studies: int) -> float:
    return float(4 * np.sqrt(rate * (1 - rate) / studies))


@pytest.mark.parametrize("scatter", [EQUAL, FALLING, RISING])
@pytest.mark.parametrize(("sizes", "seeds"), [(3, 3), (4, 5), (5, 3)])
def test_slopes_intervals_cover_the_truth_whatever_scatters_at_each_size(
    sizes: int, seeds: int, scatter: tuple[float, ...]
) -> None:
    compute = np.array([0.0, 0.7, 2.0, 2.5, 4.0])[:sizes]
    of = differences([0.3 * compute], seeds, scatter, 40_000)[:, 0]
    found = paired_t(slopes(of, compute), 0.05)
    assert np.mean((found.low < 0.3) & (found.high > 0.3)) == pytest.approx(0.95, abs=slack(0.95, 40_000))


@pytest.mark.parametrize(
    ("sizes", "step", "seeds", "scatter"),
    [(3, 1.0, 3, (0.01,)), (4, 1.0, 5, (0.003,)), (4, 0.5, 5, (0.02, 0.01, 0.01, 0.005)), (5, 0.5, 3, (0.01,))],
)
@pytest.mark.parametrize("shift", [0.0, 0.2, -0.4])
def test_speed_ups_intervals_cover_the_truth_of_a_law_with_a_floor(
    sizes: int, step: float, seeds: int, scatter: tuple[float, ...], shift: float
) -> None:
    """Within 2 points of 95 %: 3 and 5 seeds, 3 to 5 sizes, unequal scatter; all settings are in the long test."""
    studies, rng, law = 4_000, np.random.default_rng(sizes), (1.2, 0.107)
    compute, sd = step * np.arange(sizes), np.resize(scatter, sizes)[:, None]
    base, variant = (
        np.log(candidates.loss(compute + of, law)[:, None] + sd * rng.normal(size=(studies, sizes, seeds)))
        for of in (0.0, shift)
    )
    found = shift_at(base, variant, compute, compute, sizes - 1, 0.05)
    assert abs(np.mean((found.low <= shift) & (found.high >= shift)) - 0.95) < 0.02


@pytest.mark.exhaustive
def test_no_other_way_to_tell_a_speed_up_covers_better_than_the_one_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    """The table of docs/studies-statistics.md."""
    found = candidates.rows(1_000)
    with capsys.disabled():
        print("", *candidates.table(found), sep="\n")
    lowest = {name: min(row.covered for row in found if row.name == name) for name in candidates.CANDIDATES}
    assert lowest["shipped"] > 0.88
    assert lowest["lines, loss; inverted t"] < 0.7
    mean = np.mean([row.covered for row in found if row.name == "shipped"])
    assert mean == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("scatter", [EQUAL, FALLING, RISING])
@pytest.mark.parametrize(("variants", "sizes", "seeds"), [(1, 3, 3), (1, 4, 5), (4, 4, 3), (4, 3, 5), (8, 5, 5)])
def test_at_most_5_percent_of_null_ladders_find_anything_at_any_size_or_in_any_slope(
    variants: int, sizes: int, seeds: int, scatter: tuple[float, ...]
) -> None:
    studies = 5_000
    words, anything = judged(differences([[0.0] * sizes] * variants, seeds, scatter, studies))
    assert np.mean(anything) < 0.05 + slack(0.05, studies)
    assert np.mean(np.isin(words, ["holds", "fades", "grows", "reverses"]).any(-1)) < 0.02


@pytest.mark.parametrize("scatter", [EQUAL, FALLING, RISING])
def test_an_effect_that_is_missing_at_one_size_is_called_one_that_holds_in_at_most_5_percent(
    scatter: tuple[float, ...],
) -> None:
    """Whatever it is elsewhere, and with any of four variants."""
    studies = 2_500
    for missing in range(4):
        truth = [[0.0 if k == missing else -40.0 for k in range(4)]] * 4
        words, _ = judged(differences(truth, 5, scatter, studies))
        assert np.mean((words == "holds").any(-1)) < 0.05 + slack(0.05, studies)


@pytest.mark.parametrize(
    ("truth", "word", "power", "wrong"),
    [
        (CONSTANT, "holds", 0.98, 0.005),
        (FADING, "fades", 0.8, 0.05),
        (GROWING, "grows", 0.8, 0.05),
        (REVERSING, "reverses", 0.95, 0.03),
    ],
)
def test_planted_effects_have_their_verdicts_and_seldom_another(
    truth: list[float], word: str, power: float, wrong: float
) -> None:
    """Four sizes, five seeds, 4.2 SDs of the paired difference where the effect is largest, beside a null variant."""
    words, _ = judged(differences([truth, NULL], 5, EQUAL, 10_000))
    found = shares(words)
    assert found[word] > power
    assert 1 - found[word] - found.get("inconclusive", 0.0) < wrong


def test_an_effect_that_halves_over_the_ladder_is_seldom_said_to_fade_and_a_constant_one_never() -> None:
    for scatter in (EQUAL, FALLING, RISING):
        halving = shares(judged(differences([HALVING], 5, scatter, 10_000))[0])
        constant = shares(judged(differences([CONSTANT], 5, scatter, 10_000))[0])
        assert halving.get("fades", 0.0) < 0.1
        assert constant.get("fades", 0.0) + constant.get("grows", 0.0) + constant.get("reverses", 0.0) < 0.02


def test_equivalence_at_every_size_is_wrong_in_at_most_5_percent() -> None:
    truth = [[0.0, 0.0, 0.0, 2.0]] * 3
    words, _ = judged(differences(truth, 5, (0.3,), 10_000), margin=2.0)
    assert np.mean((words == "equivalent").any(-1)) < 0.05 + slack(0.05, 10_000)
    words, _ = judged(differences([NULL] * 3, 5, (0.3,), 2_000), margin=2.0)
    assert np.mean(words == "equivalent") > 0.95


# With tuning and secondary metrics


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tuning_seeds", [None, 1, 5])
def test_of_tuned_studies_without_differences_at_most_5_percent_find_any(tuning_seeds: int | None, shape: str) -> None:
    """At the worst scale of what the knob does, and where it does nothing."""
    studies, scale = 4_000, 1 / np.sqrt(tuning_seeds or 1)
    for gap in (0.0, 0.2, 0.5, 1.2):
        of = tuned_null(3, 4, 5, studies, gap * scale, tuning_seeds=tuning_seeds, shape=shape, wider=True)
        assert np.mean(judged(of)[1]) < 0.06 + slack(0.05, studies)


def test_one_choice_for_all_runs_passes_for_a_difference_unless_the_intervals_are_wider() -> None:
    of = [tuned_null(3, 4, 10, 2_000, gap, wider=wider) for wider in (False, True) for gap in (0.2, 0.4)]
    assert [np.mean(judged(one)[1]) > 0.15 for one in of] == [True, True, False, False]


def test_tuning_each_seed_by_itself_costs_little_power_and_one_choice_for_all_much() -> None:
    """Beside untuned runs, where what the knob does is worst."""
    found = {
        tuned: np.mean(judged(tuned_null(1, 2, 5, 4_000, 0.2, tuning_seeds=tuned, better=3.0, wider=True))[1])
        for tuned in (None, 1)
    }
    plain = np.mean(judged(tuned_null(1, 2, 5, 4_000, 0.0, tuning_seeds=None, better=3.0))[1])
    assert plain - found[None] < 0.1
    assert found[1] < 0.4


def null_results(rng: np.random.Generator, seeds: int = 5, sizes: int = 3, variants: int = 3) -> Results:
    """A study without differences: tuned, with sizes, and with two further metrics that go with the first."""
    levels = ["learned", *(f"p{i}" for i in range(variants))]
    figures = {level: 2 + 0.01 * rng.normal(size=(sizes, 1, seeds)) for level in levels}
    luck = 0.02 * rng.normal(size=(sizes, 1, seeds))
    figures = {level: of + luck for level, of in figures.items()}
    test = {level: of + 0.005 * rng.normal(size=of.shape) for level, of in figures.items()}
    accuracy = {level: 0.5 + 0.02 * rng.normal(size=of.shape) for level, of in figures.items()}
    more = BITS.model_copy(update={"name": "accuracy", "goal": "max", "smallest_effect": None})
    metric = BITS.model_copy(update={"smallest_effect": None})
    return study_of(
        figures, SIZES[:sizes], metric=metric, secondary={"test": (TEST, test), "accuracy": (more, accuracy)}
    )


def finds_anything(found: Analysis) -> bool:
    words = ("holds", "fades", "grows", "reverses")
    return any(
        any(c.verdict in ("better", "worse") for c in one.contrasts)
        or any(step.steep or step.verdict in words for step in one.ladder)
        for one in (found, *found.secondary)
    )


@pytest.mark.exhaustive
def test_500_null_studies_with_sizes_and_metrics_find_something_in_at_most_5_percent() -> None:
    rng = np.random.default_rng(0)
    count = sum(finds_anything(analyse(null_results(rng))) for _ in range(500))
    assert count <= 0.06 * 500


def test_analyse_says_over_sizes_what_the_simulated_code_says() -> None:
    """So that what is calibrated above is what a study goes through; and its further metrics claim nothing more."""
    rng, checked = np.random.default_rng(4), 0
    for number in range(6):
        results = null_results(rng)
        if number % 2:  # something to find
            shift = 0.03 * rng.normal(size=3)
            outcomes = [
                o.model_copy(update={"metric": o.metric + shift[SIZES.index(o.size)]})
                if o.variant == "position=p0"
                else o
                for o in results.outcomes
            ]
            results = results.model_copy(update={"outcomes": outcomes})
        values = np.array(
            [
                [[*results.at(size).values(name).values()] for size in SIZES[:3]]
                for name in ("base", "position=p0", "position=p1", "position=p2")
            ]
        )
        words, anything = judged((values[1:] - values[:1])[None])
        found = analyse(results)
        assert [one.verdict for one in found.ladder] == words[0].tolist()
        assert finds_anything(found) == bool(anything[0])
        checked += int(anything[0])
    assert checked > 1
    assert np.log10(FLOPS[:3]).tolist() == [12, 13, 14]


# Over texts


@pytest.mark.parametrize("texts", [3, 5, 8])
def test_over_texts_the_interval_covers_the_mean_of_all_texts_and_that_of_seeds_alone_does_not(texts: int) -> None:
    """Texts differ by twice what seeds do, and scatter unequally: 95 % against some 40 %."""
    rng, studies, seeds = np.random.default_rng(texts), 20_000, 5
    scatter = np.resize([0.5, 1.0, 2.0], texts)[:, None]
    of = 2 * rng.normal(size=(studies, texts, 1)) + scatter * rng.normal(size=(studies, texts, seeds))
    over = paired_t(of.mean(-1), 0.05)
    assert np.mean((over.low < 0) & (over.high > 0)) == pytest.approx(0.95, abs=0.01)
    pooled = paired_t(of.reshape(studies, -1), 0.05)
    assert np.mean((pooled.low < 0) & (pooled.high > 0)) < 0.75
