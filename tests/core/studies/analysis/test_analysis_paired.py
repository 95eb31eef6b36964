"""The mathematics of paired differences against scipy, statsmodels and formulas written out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from partwise.studies.analysis.statistics import divergence_p, equivalence_p, holm, paired_t
from partwise.studies.analysis.verdicts import judge, verdicts

from ..statsmodels_holm import holm_of_statsmodels

RNG = np.random.default_rng(0)
VARIANT, BASELINE = RNG.normal(2.0, 0.1, size=(50, 5)), RNG.normal(2.05, 0.1, size=(50, 5))


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_interval_and_p_are_those_of_scipys_paired_t_test(alpha: float) -> None:
    ours = paired_t(VARIANT - BASELINE, alpha)
    theirs = stats.ttest_rel(VARIANT, BASELINE, axis=-1)
    interval = theirs.confidence_interval(1 - alpha)
    np.testing.assert_allclose(ours.p, theirs.pvalue, rtol=1e-9)
    np.testing.assert_allclose(ours.low, interval.low, rtol=1e-9)
    np.testing.assert_allclose(ours.high, interval.high, rtol=1e-9)


def test_the_interval_of_three_seeds_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, standard error 1 / sqrt 3, t(0.975, 2) = 4.30265."""
    found = paired_t(np.array([1.0, 2.0, 3.0]), 0.05)
    half = 4.30265 / 3**0.5
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - half, 2 + half), rel=1e-5)


def test_equivalence_is_statsmodels_two_one_sided_tests() -> None:
    differences = VARIANT - BASELINE
    theirs = [ttost_paired(v, b, -0.1, 0.1)[0] for v, b in zip(VARIANT, BASELINE, strict=True)]
    np.testing.assert_allclose(equivalence_p(differences, 0.1), theirs, rtol=1e-9)


@pytest.mark.parametrize("contrasts", [1, 4, 10])
def test_holm_is_statsmodels_holm(contrasts: int) -> None:
    p = np.random.default_rng(contrasts).uniform(size=(8, contrasts)) ** 3
    p[:4] = np.round(p[:4], 1)  # ties
    np.testing.assert_allclose(holm(p), [holm_of_statsmodels(row) for row in p], rtol=1e-12)


def test_equal_differences_have_no_width_and_no_warning() -> None:
    constant = np.full(5, 2.3) - np.full(5, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, none = paired_t(constant, 0.05), paired_t(np.zeros(5), 0.05)
    assert found.low == found.high == found.mean == pytest.approx(0.3)
    assert (found.p, none.p) == (0, 1)
    assert (equivalence_p(constant, 0.4), equivalence_p(constant, 0.2)) == (0, 1)


def test_a_contrast_that_cannot_be_tested_counts_in_the_correction() -> None:
    differences = np.array([0.9, 1.1, 1.0, 1.2])
    alone = judge([differences], 0.05, "min", None).tested.p_adjusted[0]
    among_three = judge([None, differences, None], 0.05, "min", None)
    assert among_three.tested.p_adjusted[1] == pytest.approx(3 * alone)
    assert among_three.tested.p_adjusted[0] == among_three.tested.p_adjusted[2] == 1
    assert among_three.verdict.tolist() == ["inconclusive", "worse", "inconclusive"]


@pytest.mark.parametrize(
    ("p_adjusted", "p_equivalent", "good", "word"),
    [
        (0.01, 1.0, True, "better"),
        (0.01, 1.0, False, "worse"),
        (0.01, 0.01, True, "equivalent"),
        (0.5, 0.01, False, "equivalent"),
        (0.5, 0.5, True, "inconclusive"),
        (0.05, 0.05, True, "inconclusive"),
    ],
)
def test_the_order_of_verdicts(p_adjusted: float, p_equivalent: float, good: bool, word: str) -> None:
    said = verdicts(np.array([good]), np.array([p_adjusted]), np.array([p_equivalent]), 0.05)
    assert said.tolist() == [word]


def test_divergence_is_fishers_exact_test_with_the_sign_of_who_diverged_more() -> None:
    assert divergence_p((5, 0), (0, 5)) == pytest.approx(2 / 252)  # two of the 252 ways to place five
    assert divergence_p((0, 5), (5, 0)) == pytest.approx(-2 / 252)
    assert divergence_p((0, 5), (0, 5)) is None
    assert divergence_p((1, 4), (1, 4)) == pytest.approx(1)


def test_equivalence_is_corrected_over_the_contrasts_as_well() -> None:
    contrasts = list(VARIANT[:3] - BASELINE[:3])
    plain = [float(equivalence_p(d, 0.3)) for d in contrasts]
    corrected = judge(contrasts, 0.05, "min", 0.3).p_equivalent
    np.testing.assert_allclose(corrected, holm_of_statsmodels(plain), rtol=1e-9)
