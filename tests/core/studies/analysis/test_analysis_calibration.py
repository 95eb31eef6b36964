"""Error rates and coverage, by simulation through the code that `analyse` uses.

Tolerances are four Monte Carlo standard errors, so that a right analysis fails one of these in about 16,000 runs
of a seed (and the seeds are fixed); 100,000 studies give 0.28 % at a rate of 5 %.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from partwise.studies.analysis import analyse
from partwise.studies.analysis.pooled_model import second_opinion
from partwise.studies.analysis.power import (
    detectable_size,
    equivalence_power_of,
    power_of,
    sd_interval,
    seeds_for_equivalence,
)
from partwise.studies.analysis.statistics import divergence_p, equivalence_p, paired_t
from partwise.studies.analysis.verdicts import Judged, judge, paired_array

Array = npt.NDArray[np.float64]
STUDIES = 100_000


def slack(rate: float, studies: int) -> float:
    return float(4 * np.sqrt(rate * (1 - rate) / studies))


def null_metrics(variants: int, seeds: int, studies: int, seed: int) -> Array:
    """(variants + 1, studies, seeds): nothing differs; seeds shift all variants alike, as shared data order does."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(variants + 1, studies, seeds)) + 2 * rng.normal(size=(studies, seeds))


def judged(metrics: Array, margin: float | None = None, alpha: float = 0.05, goal: str = "min") -> Judged:
    return judge([of - metrics[0] for of in metrics[1:]], alpha, goal, margin)


def different(result: Judged) -> npt.NDArray[np.bool_]:
    """Studies in which anything is called better or worse."""
    return np.isin(result.verdict, ["better", "worse"]).any(axis=-1)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_95_percent_intervals_cover_the_truth_in_95_percent_of_studies(seeds: int) -> None:
    truth = 0.7
    found = paired_t(np.random.default_rng(seeds).normal(truth, 1.3, size=(STUDIES, seeds)), 0.05)
    covered = np.mean((found.low < truth) & (truth < found.high))
    assert abs(covered - 0.95) < slack(0.95, STUDIES) < 0.01


@pytest.mark.parametrize(
    ("seeds", "exponential", "both"),
    [(3, 0.886, 0.967), (5, 0.884, 0.966), (10, 0.900, 0.959)],
)
def test_what_skewed_noise_does_to_the_intervals(seeds: int, exponential: float, both: float) -> None:
    """If only the variant is skewed, intervals cover too little; if both are alike, differences are symmetric."""
    rng = np.random.default_rng(seeds)
    one = rng.exponential(size=(STUDIES, seeds)) - 1
    two = rng.exponential(size=(STUDIES, seeds)) - 1
    for differences, expected in ((one, exponential), (one - two, both)):
        found = paired_t(differences, 0.05)
        assert np.mean((found.low < 0) & (found.high > 0)) == pytest.approx(expected, abs=0.004)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("variants", [1, 4, 10])
def test_at_most_5_percent_of_null_studies_find_anything(variants: int, seeds: int) -> None:
    studies = 40_000
    rate = np.mean(different(judged(null_metrics(variants, seeds, studies, seed=variants * 100 + seeds))))
    assert rate < 0.05 + slack(0.05, studies)
    assert rate > 0.035  # and is not bought with having no power


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("variants", [1, 4, 10])
def test_at_most_5_percent_call_a_difference_of_the_smallest_effect_equivalent(variants: int, seeds: int) -> None:
    studies, margin = 40_000, 1.5
    metrics = null_metrics(variants, seeds, studies, seed=variants * 100 + seeds)
    metrics[1:] += margin
    rate = np.mean((judged(metrics, margin).verdict == "equivalent").any(axis=-1))
    assert 0.02 < rate < 0.05 + slack(0.05, studies)


def test_a_declared_smallest_effect_does_not_raise_the_error_rate() -> None:
    metrics = null_metrics(4, 5, 40_000, seed=11)
    with_margin, without = different(judged(metrics, margin=2.0)), different(judged(metrics))
    assert np.mean(with_margin) <= np.mean(without)


SPLITS = [((3, 0.01), (5, 0.015), (10, 0.025)), ((5, 0.025), (10, 0.025)), ((3, 0.001), (10, 0.049))]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("variants", [1, 4])
def test_declared_looks_hold_their_alpha_together(split: tuple[tuple[int, float], ...], variants: int) -> None:
    """Counting a study that claims a difference at any look, though it may take it back at a later one."""
    studies = 40_000
    metrics = null_metrics(variants, 10, studies, seed=variants)
    ever = np.zeros(studies, dtype=bool)
    for seeds, alpha in split:
        ever |= different(judged(metrics[..., :seeds], alpha=alpha))
    assert 0.03 < np.mean(ever) < 0.05 + slack(0.05, studies)


def test_undeclared_peeking_would_inflate_the_error_as_the_simulation_of_the_design_says() -> None:
    """The reason for declared looks: after each seed from 3 to 10, one variant, 16.7 % false positives."""
    metrics = null_metrics(1, 10, STUDIES, seed=5)
    ever = np.any([different(judged(metrics[..., :n])) for n in range(3, 11)], axis=0)
    assert np.mean(ever) == pytest.approx(0.167, abs=0.006)


@pytest.mark.parametrize(
    ("seeds", "rate"),
    [(5, 0.3), (10, 0.1), *(pytest.param(*one, marks=pytest.mark.exhaustive) for one in [(5, 0.05), (10, 0.5)])],
)
def test_runs_that_diverge_at_random_do_not_raise_the_error_rate(seeds: int, rate: float) -> None:
    """Both tests of a contrast, on survivors and on the number of diverged runs, through all of `judge`."""
    studies, rng = 1_500, np.random.default_rng(int(100 * rate) + seeds)
    found = 0
    for _ in range(studies):
        values, lost = rng.normal(size=(3, seeds)), rng.random((3, seeds)) < rate
        pairs = [paired_array((values[i] - values[0])[~lost[i] & ~lost[0]].tolist()) for i in (1, 2)]
        counts = [(int(of.sum()), int((~of).sum())) for of in lost]
        found += bool(different(judge(pairs, 0.05, "min", None, [divergence_p(c, counts[0]) for c in counts[1:]])))
    assert found / studies < 0.05 + slack(0.05, studies)


def test_200_null_studies_through_analyse_find_something_in_at_most_5_percent(study) -> None:
    """As the requirement states it. By chance alone a rate of 4.5 % gives over 10 of 200 often; the seed is fixed,
    and the rate itself is held by the large simulations above."""
    rng, found = np.random.default_rng(2), 0
    for _ in range(200):
        metrics = 2 + 0.02 * rng.normal(size=(5, 5)) + 0.05 * rng.normal(size=5)
        runs = dict(zip(["base", *(f"position=p{i}" for i in range(4))], metrics.tolist(), strict=True))
        found += any(c.verdict in ("better", "worse") for c in analyse(study(runs, smallest_effect=0.01)).contrasts)
    assert found <= 10


def test_analyse_says_what_the_simulated_code_says(study) -> None:
    """So that what is calibrated above is what a study goes through."""
    metrics = null_metrics(3, 5, 20, seed=3)
    metrics[1] -= 2.0
    result = judged(metrics, margin=1.0)
    for i in range(20):
        runs = dict(zip(["base", "position=a", "position=b", "position=c"], metrics[:, i].tolist(), strict=True))
        said = analyse(study(runs, smallest_effect=1.0)).contrasts
        assert [c.verdict for c in said] == result.verdict[i].tolist()
        assert [c.p_adjusted for c in said] == pytest.approx(result.tested.p_adjusted[i], rel=1e-12)
        assert [c.low for c in said] == pytest.approx(result.tested.low[i], rel=1e-12)


@pytest.mark.parametrize("seeds", [3, 4, 5, 10])
@pytest.mark.parametrize("contrasts", [1, 4])
def test_the_detectable_effect_is_found_with_80_percent_power(seeds: int, contrasts: int) -> None:
    """At 3 and 4 seeds and a corrected alpha too, where the solver of statsmodels is wrong."""
    level = 0.05 / contrasts
    effect = detectable_size(seeds, level)
    found = paired_t(np.random.default_rng(seeds).normal(effect, 1.0, size=(STUDIES, seeds)), level)
    assert np.mean(found.p < level) == pytest.approx(0.8, abs=slack(0.8, STUDIES))


@pytest.mark.parametrize(
    ("effect", "seeds", "alpha"), [(0.0, 3, 0.05), (1.0, 3, 0.0125), (0.5, 10, 0.05), (8.0, 3, 0.005)]
)
def test_power_is_the_share_of_studies_that_find_the_effect(effect: float, seeds: int, alpha: float) -> None:
    found = paired_t(np.random.default_rng(8).normal(effect, 1.0, size=(STUDIES, seeds)), alpha)
    expected = power_of(effect, seeds, alpha)
    assert np.mean(found.p < alpha) == pytest.approx(expected, abs=slack(expected, STUDIES) + 1e-4)


@pytest.mark.parametrize(("margin", "alpha"), [(1.0, 0.05), (2.5, 0.0125), (0.4, 0.05)])
def test_the_seeds_for_equivalence_show_it_with_80_percent_power(margin: float, alpha: float) -> None:
    seeds = seeds_for_equivalence(margin, alpha)
    assert seeds is not None
    rng, studies = np.random.default_rng(6), 20_000
    shown = [float(np.mean(equivalence_p(rng.normal(size=(studies, n)), margin) < alpha)) for n in (seeds - 1, seeds)]
    assert shown[1] == pytest.approx(equivalence_power_of(margin, seeds, alpha), abs=slack(0.8, studies))
    assert shown[0] < 0.8 + slack(0.8, studies)
    assert shown[1] > 0.8 - slack(0.8, studies)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_interval_of_the_spread_covers_it_in_95_percent_of_studies(seeds: int) -> None:
    sds = np.random.default_rng(7).normal(size=(STUDIES, seeds)).std(-1, ddof=1)
    low, high = sd_interval(1.0, seeds)
    assert np.mean((low * sds < 1) & (high * sds > 1)) == pytest.approx(0.95, abs=slack(0.95, STUDIES))


def test_pooled_intervals_cover_the_truth_where_all_spread_alike() -> None:
    studies, covered = 700, 0
    metrics = null_metrics(3, 5, studies, seed=21)
    for i in range(studies):
        values = {f"v{j}": dict(enumerate(of)) for j, of in enumerate(metrics[:, i].tolist())}
        pooled = second_opinion(values, "v0", 0.05)
        assert pooled is not None
        covered += pooled.contrasts[0].low < 0 < pooled.contrasts[0].high
    assert covered / studies == pytest.approx(0.95, abs=slack(0.95, studies))
