"""The pooled second opinion, against formulas and statsmodels' own formula interface."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols

from partwise.studies.analysis import analyse
from partwise.studies.analysis.pooled_model import second_opinion
from partwise.studies.report.prose import pooled_gate

RNG = np.random.default_rng(4)


def table(cells: dict[tuple[str, ...], dict[int, float]], names: list[str]) -> pd.DataFrame:
    rows = [(*cell, seed, y) for cell, of in cells.items() for seed, y in of.items()]
    return pd.DataFrame(rows, columns=[*names, "seed", "y"])


def test_the_pooled_opinion_by_hand() -> None:
    """Randomised blocks: residual = y - variant mean - seed mean + mean, with (k - 1)(n - 1) degrees of freedom."""
    y = RNG.normal(size=(4, 5)) + RNG.normal(size=5)
    pooled = second_opinion({f"v{i}": dict(enumerate(of)) for i, of in enumerate(y.tolist())}, "v0", 0.05)
    residual = y - y.mean(1, keepdims=True) - y.mean(0) + y.mean()
    error = np.sqrt(2 * np.sum(residual**2) / 12 / 5)
    half = stats.t.ppf(0.975, 12) * error
    assert pooled is not None
    for i, contrast in enumerate(pooled.contrasts, 1):
        difference = y[i].mean() - y[0].mean()
        assert contrast.difference == pytest.approx(difference)
        assert (contrast.low, contrast.high) == pytest.approx((difference - half, difference + half))
        assert contrast.p == pytest.approx(2 * stats.t.sf(abs(difference) / error, 12))
    smallest = min(contrast.p for contrast in pooled.contrasts)
    assert min(contrast.p_adjusted for contrast in pooled.contrasts) == pytest.approx(min(1, 3 * smallest))
    assert pooled.equal_variance_p == pytest.approx(stats.levene(*residual, center="mean").pvalue)


def test_the_pooled_opinion_uses_every_finished_run() -> None:
    y = RNG.normal(size=(3, 5)) + RNG.normal(size=5)
    values = {f"v{i}": dict(enumerate(of)) for i, of in enumerate(y.tolist())}
    del values["v2"][0], values["v1"][4]
    data = table({(name,): of for name, of in values.items()}, ["variant"])
    fit = ols("y ~ C(variant) + C(seed)", data).fit()
    pooled = second_opinion(values, "v0", 0.05)
    assert pooled is not None
    for contrast in pooled.contrasts:
        name = f"C(variant)[T.{contrast.variant}]"
        assert contrast.difference == pytest.approx(fit.params[name])
        assert (contrast.low, contrast.high) == pytest.approx(tuple(fit.conf_int().loc[name]))


def test_unequal_spread_shuts_the_gate_and_is_stated(study) -> None:
    y = 2 + 0.001 * RNG.normal(size=(6, 10))
    y[5] += 0.1 * RNG.normal(size=10)
    runs = dict(zip(["base", *(f"position=p{i}" for i in range(5))], y.tolist(), strict=True))
    found = analyse(study(runs))
    assert found.pooled is not None
    assert not found.pooled.usable
    assert any(note.kind == "unequal_spread" for note in found.notes)


def test_spreads_that_differ_unnoticed_are_not_called_alike_and_their_ratio_is_said() -> None:
    """Three seeds, and one variant that scatters a tenth as much as another: Levene's test does not see it."""
    values = {"v0": [2.0, 2.1, 2.2], "v1": [2.0, 2.11, 2.19], "v2": [2.1, 2.12, 2.11]}
    found = second_opinion({name: dict(enumerate(of)) for name, of in values.items()}, "v0", 0.05)
    assert found is not None
    assert found.usable
    assert found.sd_ratio == pytest.approx(np.std(values["v0"], ddof=1) / np.std(values["v2"], ddof=1))
    said = pooled_gate(found)
    assert "No difference between their variances was noticed" in said
    assert "10 times the smallest" in said
    assert "alike" not in said
    one = replace(found, sd_ratio=float("inf"))
    assert "does not vary over seeds at all" in pooled_gate(one)


def test_the_gate_holds_its_level_for_equal_spread() -> None:
    closed, studies = 0, 400
    for y in RNG.normal(size=(studies, 5, 10)).tolist():
        pooled = second_opinion({f"v{i}": dict(enumerate(of)) for i, of in enumerate(y)}, "v0", 0.05)
        closed += pooled is not None and not pooled.usable
    assert 0.01 < closed / studies < 0.12  # simulated: 0.06; residuals of one block are dependent


def test_there_is_no_second_opinion_where_it_would_be_the_first(study) -> None:
    y = RNG.normal(size=(2, 5)).tolist()
    assert analyse(study({"base": y[0], "position=a": y[1]})).pooled is None
    constant = study({"base": [1.0] * 5, "position=a": [2.0] * 5, "position=b": [3.0] * 5})
    assert analyse(constant).pooled is None
