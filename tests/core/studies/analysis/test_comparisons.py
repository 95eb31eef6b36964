"""Other comparisons than each variant with the baseline: fractions, screening, further baselines, all pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from partwise.studies.analysis import analyse
from partwise.studies.analysis.family import family_of
from partwise.studies.analysis.statistics import benjamini_hochberg, paired_t
from partwise.studies.analysis.verdicts import judge
from partwise.studies.fractions import rows
from partwise.studies.report import render
from partwise.studies.report.report import Report
from partwise.studies.results import Results

from ..statsmodels_holm import holm_of_statsmodels

rng = np.random.default_rng


# Screening


def test_adjusted_p_are_those_of_benjamini_and_hochberg_by_hand() -> None:
    p = np.array([0.01, 0.02, 0.03, 0.5])
    assert benjamini_hochberg(p) == pytest.approx([0.04, 0.04, 0.04, 0.5])
    assert benjamini_hochberg(np.stack([p, p[::-1]]))[1] == pytest.approx([0.5, 0.04, 0.04, 0.04])


def screened(studies: int, variants: int, real: int, seeds: int = 5, seed: int = 0) -> tuple[float, float]:
    """(share of studies that find anything, mean share of what is found that is false)."""
    own = rng(seed).normal(size=(variants + 1, studies, seeds))
    own[1 : real + 1] += 3.0
    judged = judge([one - own[0] for one in own[1:]], 0.05, "min", None, correction="fdr")
    found = judged.verdict != "inconclusive"
    false = found[:, real:].sum(axis=-1) / np.maximum(found.sum(axis=-1), 1)
    return float(found.any(axis=-1).mean()), float(false.mean())


@pytest.mark.parametrize("variants", [4, 12])
def test_where_nothing_differs_a_screening_finds_something_in_at_most_alpha(variants: int) -> None:
    assert screened(6_000, variants, 0)[0] <= 0.06


@pytest.mark.parametrize("real", [1, 4, 9])
def test_of_what_a_screening_finds_at_most_alpha_is_false(real: int) -> None:
    assert screened(4_000, 12, real)[1] <= 0.055


@pytest.mark.exhaustive
@pytest.mark.parametrize("variants", [2, 8, 30])
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_same_for_other_numbers_of_variants_and_seeds(variants: int, seeds: int) -> None:
    assert screened(20_000, variants, 0, seeds)[0] <= 0.06
    for real in (1, variants // 2, variants - 1):
        assert screened(20_000, variants, real, seeds)[1] <= 0.055


def test_a_screening_says_what_it_is(study) -> None:
    runs = {"base": [2.0, 2.1, 2.05, 1.95, 2.02], "position=a": [1.7, 1.82, 1.74, 1.66, 1.71]}
    found = analyse(study(runs, correction="fdr"))
    assert "FDR-adjusted p" in found.sentences["position"]
    assert any("This is a screening" in note.text for note in found.notes)
    text = render(Report(study(runs, correction="fdr"), found))["report.md"]
    assert "p is adjusted by Benjamini-Hochberg (FDR) over 1 contrast." in text
    assert "Holm-adjusted" not in text


# Further baselines and all pairs

FOUR = {
    "base": [2.00, 2.10, 2.05, 1.95, 2.02],
    "position=a": [1.80, 1.91, 1.86, 1.75, 1.83],
    "position=b": [1.81, 1.90, 1.85, 1.76, 1.82],
    "position=c": [1.60, 1.72, 1.64, 1.56, 1.61],
}


def test_all_pairs_are_compared_once_each_in_one_family(study) -> None:
    results = study(FOUR, baselines=["position=a", "position=b"])
    assert family_of(results).contrasts == 6
    found = analyse(results)
    pairs = [(c.variant, c.against) for c in found.pairs]
    assert pairs == [("position=b", "position=a"), ("position=c", "position=a"), ("position=c", "position=b")]
    every = [paired_t(np.array(FOUR[v]) - np.array(FOUR[b]), 0.05).p for v, b in
             [("position=a", "base"), ("position=b", "base"), ("position=c", "base"), *pairs]]  # fmt: skip
    adjusted = holm_of_statsmodels(every)
    assert [c.p_adjusted for c in (*found.contrasts, *found.pairs)] == pytest.approx(list(adjusted))
    sentence = found.sentences["against position=a"]
    assert "position=c is better than position=a: the difference is −0.20" in sentence
    assert "position=b is inconclusive: the difference from position=a is " in sentence
    files = render(Report(results, found))
    for name in ("report.html", "report.md"):
        assert "against position=b" in files[name]
        assert "6 contrasts" in files[name]


def test_a_second_baseline_changes_no_difference_but_the_correction(study) -> None:
    alone, both = (analyse(study(FOUR, baselines=of)) for of in ([], ["position=c"]))
    assert [c.difference for c in alone.contrasts] == [c.difference for c in both.contrasts]
    assert all(b.p_adjusted >= a.p_adjusted for a, b in zip(alone.contrasts, both.contrasts, strict=True))
    assert [(c.variant, c.against) for c in both.pairs] == [("position=a", "position=c"), ("position=b", "position=c")]
    assert alone.pairs == ()


def test_anything_is_found_among_all_pairs_of_the_same_in_at_most_alpha() -> None:
    own = rng(1).normal(size=(4, 6_000, 5)) * np.array([1.0, 1.0, 3.0, 0.3])[:, None, None]
    judged = judge([own[b] - own[a] for a, b in combinations(range(4), 2)], 0.05, "min", None)
    assert (judged.verdict != "inconclusive").any(axis=-1).mean() <= 0.06


# Fractions

FACTORS = {name: ["low", "high"] for name in "abcde"}


def fraction(resolution: int, effects: dict[str, float], sd: float = 0.01, seed: int = 0, seeds: int = 5) -> Results:
    """A study of five factors in a fraction, with main effects and (as `a x b`) interactions."""
    from .conftest import make_study

    draw, runs = rng(seed), {}
    for row in rows(len(FACTORS), resolution):
        high = [name for name, at in zip(FACTORS, row, strict=True) if at]
        name = ", ".join(f"{one}=high" for one in high) or "base"
        mean = 2 + sum(size for effect, size in effects.items() if {*effect.split(" x ")} <= {*high})
        runs[name] = list(mean + sd * draw.normal(size=seeds))
    return make_study(runs, 0.01, design="fractional", factors=FACTORS, resolution=resolution)


@pytest.mark.parametrize(("resolution", "runs", "tests"), [(3, 8, 5), (4, 16, 5), (5, 16, 15)])
def test_effects_of_a_fraction_are_the_true_ones_and_no_combination_is_tested(resolution, runs, tests) -> None:
    results = fraction(resolution, {"a": 0.2, "b": -0.1})
    found = analyse(results)
    assert len(results.variants) == runs
    assert (family_of(results).contrasts, family_of(results).effects) == (0, tests)
    told = {e.name: e for e in found.effects}
    assert told["a=high"].estimate == pytest.approx(0.2, abs=0.02)
    assert (told["a=high"].verdict, told["b=high"].verdict) == ("worse", "better")
    assert {c.verdict for c in found.contrasts} == {"no verdict"}
    assert set(found.sentences) >= {"a", "b", "c"}
    assert not any("base" in one for one in found.sentences)
    (note,) = [note.text for note in found.notes if note.kind == "aliased"]
    assert f"{runs} of 32 combinations were run, at resolution {['III', 'IV', 'V'][resolution - 3]}" in note
    assert ("Aliased" in note) == (resolution < 5)
    files = render(Report(results, found))
    assert "a=high" in files["report.md"]
    assert "described by itself" in files["report.md"]


def test_an_interaction_is_told_at_resolution_five_and_what_depends_on_it() -> None:
    found = analyse(fraction(5, {"a": 0.2, "a x b": -0.4}))
    told = {e.name: e for e in found.effects}
    assert told["a=high x b=high"].verdict == "found"
    assert told["a=high x b=high"].estimate == pytest.approx(-0.4, abs=0.03)
    assert told["a=high"].verdict == "depends"
    assert [(w.level, round(w.estimate, 1)) for w in told["a=high"].within] == [("low", 0.2), ("high", -0.2)]


def test_at_resolution_three_an_interaction_may_pass_for_a_main_effect_and_the_note_names_it() -> None:
    results = fraction(3, {"a x b": 0.4})
    found = analyse(results)
    main = [e.name for e in found.effects if e.verdict in ("better", "worse")]
    (note,) = [note.text for note in found.notes if note.kind == "aliased"]
    assert "a x b" in note
    assert len(main) > 2, "the interaction is in a, in b, and in the one that is aliased with it"


@pytest.mark.parametrize("resolution", [3, 5])
def test_in_fractions_of_nothing_anything_is_found_in_at_most_alpha(resolution: int) -> None:
    signs = 2 * np.array(rows(5, resolution), dtype=int) - 1
    columns = list(signs.T)
    if resolution == 5:
        columns += [signs[:, i] * signs[:, j] for i, j in combinations(range(5), 2)]
    noise = rng(2).normal(size=(4_000, len(signs), 5)) * np.exp(rng(3).normal(size=len(signs)))[:, None]
    effects = [np.einsum("r,srn->sn", column, noise) for column in columns]
    judged = judge([], 0.05, "min", None, effects=effects)
    assert (judged.effects.p_adjusted < 0.05).any(axis=-1).mean() <= 0.06
    assert stats.binomtest(int((judged.effects.p[:, 0] < 0.05).sum()), 4_000, 0.05).pvalue > 1e-4


def test_a_seed_that_lost_a_run_is_lost_to_all_effects_of_a_fraction() -> None:
    results = fraction(4, {"a": 0.2})
    outcomes = [
        o.model_copy(update={"state": "failed", "metric": None}) if (o.variant, o.seed) == ("base", 0) else o
        for o in results.outcomes
    ]
    found = analyse(results.model_copy(update={"outcomes": outcomes}))
    assert {e.seeds for e in found.effects} == {4}


# What the report has of them


def test_each_further_comparison_has_a_row_in_the_report(study) -> None:
    results = study(FOUR, baselines=["position=a"])
    report = Report(results, analyse(results))
    assert [(row.name, row.against) for row in report.further] == [
        (c.variant, "position=a") for c in report.analysis.pairs
    ]
    files = render(report)
    section = files["report.md"].partition("## Further comparisons")[2].partition("## ")[0]
    assert section.count("| position=a |") == len(report.further) > 0
    assert all(row.interval in files["report.html"] for row in report.further)
    alone = study(FOUR)
    assert "Further comparisons" not in "".join(render(Report(alone, analyse(alone))).values())


def test_combinations_of_a_fraction_are_not_tested_and_effects_name_what_they_may_be_instead() -> None:
    results = fraction(3, {"a": 0.2})
    report = Report(results, analyse(results))
    assert {row.verdict for row in report.rows} == {"baseline", "not tested"}
    assert all(" x " in row.aliases for row in report.effects)
    files = render(report)
    assert "| or of |" in files["report.md"]
    assert "no verdict" not in files["report.md"].partition("## Table")[2].partition("## ")[0]
    assert report.effects[0].aliases in files["report.html"]
