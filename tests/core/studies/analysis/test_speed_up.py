"""Effective speed-ups: read off curves, against plain loops, and what is said where curves end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from partwise.studies.analysis import analyse
from partwise.studies.analysis.speed_up import curve_weights, path, shift_at

from ..fake_ladder import baseline_curve, noisy, study_of

COMPUTE = np.array([12.0, 13.0, 14.0, 15.0])


def losses(seed: int, shift: float, seeds: int = 5, sd: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    curve = [1.2 + 1.4 * 10 ** (-0.11 * (COMPUTE - 12 + of)) for of in (0.0, shift)]
    base, variant = (np.log(of[:, None] + rng.normal(0, sd, (4, seeds))) for of in curve)
    return base, variant


@pytest.mark.parametrize("shift", [0.3, 0.0, -0.7])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_the_interval_has_what_a_t_test_at_each_speed_up_does_not_reject(shift: float, at: int) -> None:
    base, variant = losses(at, shift)
    found = shift_at(base, variant, COMPUTE, COMPUTE, at, 0.05)
    apart, nodes, middle = path(base, variant, COMPUTE, COMPUTE, at)
    assert nodes[middle] == 0
    grid = np.linspace(nodes[0], nodes[-1], 4001)
    there = np.stack([np.interp(grid, nodes, apart[:, s]) for s in range(5)])
    kept = grid[stats.ttest_1samp(there, 0.0).pvalue > 0.05]
    step = grid[1] - grid[0]
    assert float(found.low) == pytest.approx(min(kept), abs=2 * step)
    assert float(found.high) == pytest.approx(max(kept), abs=2 * step)
    assert found.low < found.estimate < found.high
    middle_of = np.interp(found.estimate, nodes, apart.mean(-1))
    assert middle_of == pytest.approx(0.0, abs=1e-9)


@given(st.integers(0, 10_000), st.floats(-1.5, 1.5), st.integers(1, 3))
def test_where_variant_and_baseline_change_places_the_speed_up_is_turned_over(seed: int, shift: float, at: int) -> None:
    base, variant = losses(seed, shift)
    one, other = (shift_at(a, b, COMPUTE, COMPUTE, at, 0.05) for a, b in ((base, variant), (variant, base)))
    assert float(one.estimate) == pytest.approx(-float(other.estimate))
    assert (float(one.low), float(one.high)) == pytest.approx((-float(other.high), -float(other.low)))


def test_a_speed_up_without_noise_is_the_true_one() -> None:
    base, variant = losses(0, 0.35, sd=0.0)
    found = shift_at(base, variant, COMPUTE, COMPUTE, 3, 0.05)
    assert float(found.estimate) == pytest.approx(0.35, abs=0.005)
    assert (float(found.low), float(found.high)) == pytest.approx((float(found.estimate),) * 2)


def test_a_variant_that_costs_more_compute_is_charged_for_it() -> None:
    """The same losses at twice the compute: half a speed-up."""
    base, _ = losses(0, 0.0, sd=0.0)
    found = shift_at(base, base, COMPUTE, COMPUTE + np.log10(2), 3, 0.05)
    assert float(found.estimate) == pytest.approx(-np.log10(2))


def test_beyond_the_ladder_only_a_bound_is_known() -> None:
    base, variant = losses(0, 0.0)
    far = shift_at(base, variant - 1.0, COMPUTE, COMPUTE, 3, 0.05)
    assert (far.estimate, far.low, far.high) == (np.inf, 3.0, np.inf)
    near = shift_at(base, variant + 1.0, COMPUTE, COMPUTE, 3, 0.05)
    assert (near.estimate, near.low, near.high) == (-np.inf, -np.inf, -3.0)


def test_a_bound_is_said_as_more_than_and_less_than() -> None:
    base = baseline_curve()
    found = analyse(study_of(noisy({"learned": base, "rope": base - 1.0, "none": base + 1.0}, 5)))
    rope, none = found.verdicts[0].clauses
    assert "its effective speed-up at 3M is more than 1,000 (95 % CI 1,000 or more)" in rope
    assert "its effective speed-up at 3M is less than 0.001 (95 % CI 0.001 or less)" in none


def test_the_curve_goes_through_its_sizes_and_is_exact_for_parabolas() -> None:
    compute = np.array([0.0, 0.7, 2.0, 2.6])
    points = np.linspace(0, 2.6, 27)
    weights = curve_weights(compute, points)
    assert curve_weights(compute, compute) == pytest.approx(np.eye(4))
    assert weights @ (1 + 2 * compute - 0.3 * compute**2) == pytest.approx(1 + 2 * points - 0.3 * points**2)
    assert weights.sum(axis=-1) == pytest.approx(np.ones(27))


def test_two_sizes_are_joined_by_a_straight_line() -> None:
    assert curve_weights(np.array([1.0, 3.0]), np.array([1.5])) == pytest.approx(np.array([[0.75, 0.25]]))


def test_figures_of_which_more_is_better_are_read_without_logs() -> None:
    accuracy = np.array([0.3, 0.45, 0.6, 0.75])
    figures = noisy({"learned": accuracy, "rope": accuracy + 0.075}, 5, sd=0.0, luck=0.0)
    results = study_of(figures)
    metric = results.metric.model_copy(update={"name": "accuracy", "goal": "max", "smallest_effect": None})
    (rope,) = analyse(results.model_copy(update={"metric": metric})).ladder
    assert rope.speed_up is not None
    assert rope.speed_up.factor == pytest.approx(10**0.5)
