"""Figures and their standard errors, by formula."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from partwise.evaluation import mean, ratio


def test_the_error_of_a_share_is_that_of_a_binomial() -> None:
    figure = mean([1.0] * 30 + [0.0] * 70)
    assert figure.value == pytest.approx(0.3)
    assert figure.count == 100
    assert figure.error == pytest.approx(math.sqrt(0.3 * 0.7 / 99))


def test_the_error_of_a_mean_is_the_deviation_over_the_root_of_the_count() -> None:
    values = [0.5, 2.0, -1.0, 7.0]
    assert mean(values).error == pytest.approx(statistics.stdev(values) / 2)
    assert mean([3.0]).error is None


def test_a_ratio_of_equal_sizes_is_a_mean() -> None:
    parts = [3.0, 4.0, 8.0]
    assert ratio(parts, [2.0] * 3).value == pytest.approx(2.5)
    assert ratio(parts, [2.0] * 3).error == pytest.approx((mean(parts).error or 0.0) / 2)


def test_the_error_of_a_ratio_is_how_far_it_spreads_over_samples() -> None:
    """Documents drawn again and again: what linearisation says is what happens, to the 4 % that 1,000 draws leave."""
    numbers = np.random.default_rng(0)
    ratios, errors = [], []
    for _ in range(1000):
        sizes = numbers.integers(50, 400, size=80).astype(float)
        figure = ratio((sizes * numbers.normal(2.0, 0.5, size=80)).tolist(), sizes.tolist())
        ratios.append(figure.value)
        errors.append(figure.error)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.08)


def test_nothing_has_no_figure() -> None:
    with pytest.raises(ValueError, match="needs an item"):
        mean([])
    with pytest.raises(ValueError, match="not empty"):
        ratio([1.0], [0.0])
