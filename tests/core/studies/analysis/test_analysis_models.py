"""The pooled second opinion and the effects of grids, against formulas and statsmodels' own formula interface."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from partwise.studies.analysis import analyse
from partwise.studies.analysis.grid_effects import grid_effects
from partwise.studies.analysis.pooled_model import second_opinion

RNG = np.random.default_rng(4)
FACTORS = {"position": ["learned", "rope", "alibi"], "norm": ["layer", "rms"], "act": ["gelu", "relu"]}


def table(cells: dict[tuple[str, ...], dict[int, float]], names: list[str]) -> pd.DataFrame:
    rows = [(*cell, seed, y) for cell, of in cells.items() for seed, y in of.items()]
    return pd.DataFrame(rows, columns=[*names, "seed", "y"])


@pytest.fixture
def cells() -> dict[tuple[str, ...], dict[int, float]]:
    shift = RNG.normal(size=4)
    return {cell: {s: float(RNG.normal() + shift[s]) for s in range(4)} for cell in product(*FACTORS.values())}


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


def test_the_table_of_variance_is_that_of_statsmodels(cells) -> None:
    _, anova = grid_effects(FACTORS, cells, 0.05)
    data = table(cells, list(FACTORS))
    theirs = anova_lm(ols("y ~ C(seed) + C(position) * C(norm) * C(act)", data).fit(), typ=2)
    assert [row.term for row in anova][:4] == ["position", "norm", "act", "position x norm"]
    for row in anova:
        expected = theirs.loc[":".join(f"C({factor})" for factor in row.term.split(" x "))]
        assert (row.df, row.f, row.p) == pytest.approx((expected["df"], expected["F"], expected["PR(>F)"]))


def test_main_effects_are_differences_of_marginal_means(cells) -> None:
    effects, _ = grid_effects(FACTORS, cells, 0.05)
    data = table(cells, list(FACTORS))
    margins = data.groupby("position")["y"].mean()
    by_name = {effect.name: effect for effect in effects}
    found = by_name["position=rope"]
    fit = ols("y ~ C(seed) + C(position) * C(norm) * C(act)", data).fit()
    half = stats.t.ppf(0.975, fit.df_resid) * np.sqrt(fit.mse_resid * 2 / 16)  # 4 cells of 4 seeds on either side
    assert found.estimate == pytest.approx(margins["rope"] - margins["learned"])
    assert (found.low, found.high) == pytest.approx((found.estimate - half, found.estimate + half))


def test_interactions_are_differences_of_differences(cells) -> None:
    effects, _ = grid_effects(FACTORS, cells, 0.05)
    means = table(cells, list(FACTORS)).groupby(["position", "norm"])["y"].mean()
    expected = (means["alibi", "rms"] - means["learned", "rms"]) - (means["alibi", "layer"] - means["learned", "layer"])
    found = next(e for e in effects if e.name == "position=alibi x norm=rms")
    assert found.estimate == pytest.approx(expected)
    assert found.factors == ("position", "norm")


def test_effects_are_corrected_over_all_effects(cells) -> None:
    effects, _ = grid_effects(FACTORS, cells, 0.05)
    assert len(effects) == 4 + 5
    smallest = min(effects, key=lambda effect: effect.p)
    assert smallest.p_adjusted == pytest.approx(min(1, 9 * smallest.p))


def test_with_missing_runs_main_effects_still_average_cells_equally() -> None:
    """Additive cells without noise: whatever is missing, the effect is what was put in."""
    factors = {"a": ["0", "1"], "b": ["0", "1"]}
    cells = {
        (a, b): {s: 1.0 * int(a) + 5.0 * int(b) + 0.1 * s + 1e-6 * float(RNG.normal()) for s in range(4)}
        for a, b in product(*factors.values())
    }
    del cells["1", "1"][3], cells["1", "1"][2], cells["0", "1"][0]
    effects, anova = grid_effects(factors, cells, 0.05)
    assert [e.estimate for e in effects] == pytest.approx([1.0, 5.0, 0.0], abs=1e-5)
    assert len(anova) == 3


def test_a_smaller_alpha_widens_the_intervals_of_effects_and_is_stated(cells) -> None:
    (wide, *_), _ = grid_effects(FACTORS, cells, 0.01)
    (plain, *_), _ = grid_effects(FACTORS, cells, 0.05)
    assert (wide.alpha, plain.alpha) == (0.01, 0.05)
    assert wide.low < plain.low < plain.high < wide.high


def test_effects_that_need_a_cell_without_runs_are_left_out(cells) -> None:
    cells["rope", "rms", "relu"] = {}
    effects, anova = grid_effects(FACTORS, cells, 0.05)
    names = {effect.name for effect in effects}
    assert "position=alibi" in names
    assert not any("position=rope" in name or name in ("norm=rms", "act=relu") for name in names)
    assert anova == ()


def test_intervals_of_effects_cover_the_truth() -> None:
    factors = {"a": ["0", "1"], "b": ["0", "1", "2"]}
    studies, covered, total = 300, 0, 0
    for _ in range(studies):
        shift = RNG.normal(size=3)
        cells = {c: {s: float(RNG.normal() + shift[s]) for s in range(3)} for c in product(*factors.values())}
        effects, _ = grid_effects(factors, cells, 0.05)
        covered += sum(effect.low < 0 < effect.high for effect in effects)
        total += len(effects)
    # Five effects of a study are dependent, so that the error is taken as of one per study: four of 1.26 %.
    assert covered / total == pytest.approx(0.95, abs=0.05)
    assert total == 5 * studies


def test_a_grid_study_tells_its_effects(study) -> None:
    factors = {"position": ["learned", "rope"], "norm": ["layer", "rms"]}
    base = RNG.normal(2, 0.05, size=5)
    put_in = {"base": 0.0, "position=rope": -0.3, "norm=rms": 0.1, "position=rope, norm=rms": -0.5}
    runs = {name: (base + by + 0.001 * RNG.normal(size=5)).tolist() for name, by in put_in.items()}
    found = analyse(study(runs, 0.01, design="grid", factors=factors))
    assert {e.name: round(e.estimate, 2) for e in found.effects} == {
        "position=rope": -0.45,
        "norm=rms": -0.05,
        "position=rope x norm=rms": -0.3,
    }
    assert [row.term for row in found.anova] == ["position", "norm", "position x norm"]
    assert set(found.sentences) == {"position", "norm", "interactions"}
    assert "averaged over the other factors, the effect of rope is −0.4" in found.sentences["position"]
    assert [c.factor for c in found.contrasts] == ["position", "norm", None]


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_grid_with_too_few_runs_says_nothing_and_does_not_fail(study, seeds: int) -> None:
    factors = {"position": ["learned", "rope"], "norm": ["layer", "rms"]}
    runs = {name: [1.0] * seeds for name in ("base", "position=rope", "norm=rms", "position=rope, norm=rms")}
    assert analyse(study(runs, design="grid", factors=factors)).effects == ()
