"""Steps, tokens and seconds to a target, which a run may never reach: the rank test, its error rate, its words."""

from __future__ import annotations

from math import inf, isinf

import numpy as np
import pytest
from scipy import stats

from partwise.studies.analysis import analyse
from partwise.studies.analysis.statistics import paired_t
from partwise.studies.analysis.to_target import later_p, rank_test
from partwise.studies.report import render
from partwise.studies.report.report import Report
from partwise.studies.results import Metric, Results

STEPS = Metric(name="steps_to", split="valid", goal="min", target=2.0, of="loss", smallest_effect=50.0)
SOON = [400.0, 420.0, 390.0, 410.0, 430.0]


def reaching(study, runs: dict[str, list[float | str]], metric: Metric = STEPS) -> Results:
    """A study of steps to a target, of which `inf` stands for never."""
    made = study({name: [0.0 if one == inf else one for one in of] for name, of in runs.items()}, metric=metric)
    never = {(name, seed) for name, of in runs.items() for seed, one in enumerate(of) if one == inf}
    outcomes = [
        one.model_copy(update={"metric": None}) if (one.variant, one.seed) in never else one for one in made.outcomes
    ]
    return made.model_copy(update={"outcomes": outcomes})


@pytest.mark.parametrize("counts", [(3, 3), (5, 5), (4, 6), (12, 9)])
def test_p_is_that_of_scipys_permutations_with_never_as_the_last_place(counts: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    for late in (0.2, 0.6):
        times = [np.where(rng.random(n) < late, inf, rng.lognormal(size=n)) for n in counts]
        ranks = stats.rankdata(np.concatenate(times))
        own, other = ranks[: counts[0]], ranks[counts[0] :]

        def apart(a, b, axis):
            return np.abs(a.mean(axis=axis) - b.mean(axis=axis))

        told = stats.permutation_test(
            (own, other), apart, vectorized=True, n_resamples=40_000, alternative="greater", rng=1
        ).pvalue
        close = 1e-9 if sum(counts) <= 10 else 0.02
        assert rank_test(*times)[0] == pytest.approx(told, abs=close)


def test_the_sign_says_who_is_sooner_and_without_a_loss_there_is_no_such_test() -> None:
    late = [inf, inf, 500.0, inf, inf]
    assert later_p(late, SOON) == pytest.approx(2 / 252)
    assert later_p(SOON, late) == pytest.approx(-2 / 252)
    assert later_p(SOON, SOON) is None
    assert later_p([inf] * 3, [inf] * 3) == -1.0 or later_p([inf] * 3, [inf] * 3) == 1.0
    assert later_p([], SOON) is None


def rejected(seeds: int, correlation: float, never: float, studies: int, shift: float = 0.0) -> float:
    """Share of simulated studies with a finding: t where all reached the target, ranks where one did not."""
    rng = np.random.default_rng(seeds)
    shared, own, other = (rng.normal(size=(studies, seeds)) for _ in range(3))
    runs = [np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * one for one in (own + shift, other)]
    end = np.exp(0.3 * stats.norm.ppf(1 - never))
    times = [np.where((took := np.exp(0.3 * one)) > end, inf, took) for one in runs]
    censored = np.isinf(times[0]).any(axis=-1) | np.isinf(times[1]).any(axis=-1)
    p = np.empty(studies)
    p[~censored] = paired_t(times[0][~censored] - times[1][~censored], 0.05).p
    parts = [np.array_split(of[censored], 1 + studies // 1_000) for of in times]  # all exchanges at once take memory
    p[censored] = np.concatenate([rank_test(*both)[0] for both in zip(*parts, strict=True) if len(both[0])])
    return float(np.mean(p < 0.05))


@pytest.mark.parametrize("never", [0.02, 0.3, 0.6])
@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize("seeds", [3, 5])
def test_nothing_is_found_in_more_than_alpha_of_null_studies(seeds: int, correlation: float, never: float) -> None:
    assert rejected(seeds, correlation, never, 6_000) <= 0.055


@pytest.mark.exhaustive
@pytest.mark.parametrize("never", [0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("seeds", [3, 4, 5, 6, 8, 10])
def test_the_same_at_every_size_share_and_correlation(seeds: int, correlation: float, never: float) -> None:
    assert rejected(seeds, correlation, never, 5_000) <= 0.06


def test_an_effect_is_found_more_often_than_by_counting_who_reached_it() -> None:
    rng = np.random.default_rng(0)
    fisher = []
    for _ in range(2_000):
        own, other = (np.sum(rng.normal(size=5) + shift > 0.5) for shift in (1.5, 0.0))
        fisher.append(stats.fisher_exact([[own, 5 - own], [other, 5 - other]])[1] < 0.05)
    assert rejected(5, 0.0, 0.3, 6_000, 1.5) > 1.2 * np.mean(fisher)


def test_where_all_runs_reached_it_steps_are_compared_as_any_figure(study) -> None:
    (contrast,) = analyse(reaching(study, {"base": SOON, "position=a": [one + 100 for one in SOON]})).contrasts
    assert contrast.verdict == "worse"
    sentence = analyse(reaching(study, {"base": SOON, "position=a": [300.0, 350, 310, 325, 360]})).sentences["position"]
    assert "a is better than learned: the difference is −81 steps (95 % CI " in sentence


def test_a_variant_that_seldom_gets_there_is_worse_and_its_mean_is_not_shown_alone(study) -> None:
    results = reaching(study, {"base": SOON, "position=a": [inf, 500.0, inf, inf, inf]})
    found = analyse(results)
    (contrast,) = found.contrasts
    assert (contrast.verdict, contrast.difference, contrast.low) == ("worse", None, None)
    assert contrast.p_divergence == pytest.approx(2 / 252)
    sentence = found.sentences["position"]
    assert "it reaches the target later or less often (rank test p = 0.008, Holm-adjusted p = 0.008)" in sentence
    assert "1 of 5 runs of the variant reached loss 2, 5 of 5 of the baseline" in sentence
    assert found.pooled is None
    files = render(Report(results, found))
    assert "4 never" in files["report.md"]
    assert "never reached the target" in files["report.md"]
    assert "steps to loss 2 (valid)" in files["report.html"]


def test_a_run_that_diverged_has_not_reached_it_and_one_that_failed_is_left_out(study) -> None:
    results = reaching(study, {"base": [*SOON[:4], "failed"], "position=a": ["diverged", inf, inf, inf, inf]})
    (contrast,) = analyse(results).contrasts
    assert contrast.p_divergence == pytest.approx(1 / 126)
    assert contrast.has("withheld"), "the baseline lost a run, and might have lost more to it"
    assert "the baseline lost 1 of 5 runs (1 failed), and these are not in the comparison" in contrast.note


def test_with_three_seeds_only_all_against_none_is_told_and_as_a_rule(study) -> None:
    found = analyse(reaching(study, {"base": [400.0, 410.0, 420.0], "position=a": [inf, inf, inf]}))
    assert found.contrasts[0].verdict == "worse"
    assert "none of its runs reached the target, and all of the baseline's did" in found.sentences["position"]
    assert "where both reach it equally often, that happens in at most 1.6 % of studies" in found.sentences["position"]
    found = analyse(reaching(study, {"base": [400.0, 410.0, 420.0], "position=a": [inf, inf, 500.0]}))
    assert found.contrasts[0].verdict == "inconclusive"
    assert "is inconclusive against learned (rank test p = 0.1" in found.sentences["position"]


def test_nobody_reaches_it_and_nothing_is_said_of_who_is_better(study) -> None:
    found = analyse(reaching(study, {"base": [inf] * 5, "position=a": [inf] * 5}))
    assert found.contrasts[0].verdict == "inconclusive"
    assert render(Report(reaching(study, {"base": [inf] * 5, "position=a": [inf] * 5}), found))["report.html"]


def test_effects_of_a_grid_are_not_told_from_those_who_got_there(study) -> None:
    cells = {"base": SOON, "b=y": SOON, "a=y": SOON, "a=y, b=y": [inf, *SOON[:4]]}
    factors = {"a": ["x", "y"], "b": ["x", "y"]}
    made = study({name: [0.0 if isinf(one) else one for one in of] for name, of in cells.items()}, design="grid",
                 factors=factors, metric=STEPS)  # fmt: skip
    outcomes = [
        o.model_copy(update={"metric": None}) if (o.variant, o.seed) == ("a=y, b=y", 0) else o for o in made.outcomes
    ]
    assert analyse(made.model_copy(update={"outcomes": outcomes})).effects == ()
    assert analyse(made).effects
