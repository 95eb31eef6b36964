"""Power and seeds needed; the simulations stand in the calibration."""

from __future__ import annotations

from math import sqrt

import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from partwise.studies.analysis import detectable_effect, seeds_needed
from partwise.studies.analysis.power import detectable_size, power_of, seeds_for_size


@pytest.mark.parametrize(("seeds", "one_test", "a_quarter"), [(3, 3.26, 6.5), (5, 1.68, 2.48), (10, 1.00, 1.28)])
def test_detectable_differences_are_those_that_were_simulated_for_the_design(
    seeds: int, one_test: float, a_quarter: float
) -> None:
    assert detectable_size(seeds, 0.05) == pytest.approx(one_test, abs=0.006)
    assert detectable_size(seeds, 0.05 / 4) == pytest.approx(a_quarter, abs=0.06)


@pytest.mark.parametrize("effect", [0.2, 0.8, 1.5])
@pytest.mark.parametrize("seeds", [5, 10, 20])
def test_power_is_that_of_the_noncentral_t_where_scipy_has_it(effect: float, seeds: int) -> None:
    critical, shift = stats.t.ppf(0.975, seeds - 1), effect * sqrt(seeds)
    exact = stats.nct.sf(critical, seeds - 1, shift) + stats.nct.cdf(-critical, seeds - 1, shift)
    assert power_of(effect, seeds, 0.05) == pytest.approx(exact, abs=2e-5)
    assert power_of(effect, seeds, 0.05) == pytest.approx(TTestPower().power(effect, seeds, 0.05), abs=2e-5)


def test_without_an_effect_power_is_alpha() -> None:
    assert [power_of(0, n, 0.0125) for n in (3, 4, 10)] == pytest.approx([0.0125] * 3, abs=5e-5)


def test_planning_takes_the_unpaired_spread_and_the_first_step_of_holm() -> None:
    """The difference of two independent runs spreads sqrt 2 times as much as one."""
    assert detectable_effect(0.02, 5, contrasts=4) == pytest.approx(0.02 * sqrt(2) * detectable_size(5, 0.0125))
    assert detectable_effect(0.02, 5, contrasts=4, alpha=0.01, power=0.9) == pytest.approx(
        0.02 * sqrt(2) * detectable_size(5, 0.0025, power=0.9)
    )
    assert detectable_effect(0.02, 1) is None
    assert detectable_effect(0.0, 5) == 0


@pytest.mark.parametrize("seeds", [4, 5, 9, 30])
@pytest.mark.parametrize("contrasts", [1, 5])
def test_seeds_needed_inverts_the_detectable_effect(seeds: int, contrasts: int) -> None:
    effect = detectable_effect(0.02, seeds, contrasts)
    assert effect is not None
    assert seeds_needed(effect * 1.001, 0.02, contrasts) == seeds
    assert seeds_needed(effect * 0.999, 0.02, contrasts) == seeds + 1
    assert seeds_needed(-effect * 1.001, 0.02, contrasts) == seeds


def test_seeds_needed_at_its_edges() -> None:
    assert seeds_needed(100.0, 0.02) == 3  # never fewer than a verdict needs
    assert seeds_needed(0.01, 0.0) == 3
    assert seeds_needed(0.0, 0.0) is None
    assert seeds_for_size(1e-3, 0.05) is None  # more than ten thousand
