"""Summaries, tuning, notes and sentences."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from partwise.studies.analysis import analyse
from partwise.studies.analysis.notes import scope
from partwise.studies.analysis.phrases import chance, estimate
from partwise.studies.analysis.statistics import skewness_p
from partwise.studies.results import Metric, Trial
from partwise.studies.validity import comparable

BASE = [2.000, 2.030, 1.985, 2.012, 1.991]


def plus(*by: float) -> list[float]:
    return (np.array(BASE) + by).tolist()


def test_a_verdict_sentence_in_full(study) -> None:
    runs = {
        "base": BASE,
        "position=alibi": plus(0.031, 0.045, 0.022, 0.036, 0.021),
        "position=rope": plus(-0.020, -0.023, -0.024, -0.019, -0.024),
        "position=none": plus(0.02, -0.03, 0.01, 0.024, -0.009),
    }
    assert analyse(study(runs, smallest_effect=0.01)).sentences["position"] == (
        "position: alibi is worse than learned: the difference is +0.031 bits per byte "
        "(95 % CI +0.019 to +0.043, Holm-adjusted p = 0.005, 5 seeds); "
        "rope is better than learned: the difference is −0.0220 bits per byte "
        "(95 % CI −0.0249 to −0.0191, Holm-adjusted p < 0.001, 5 seeds); "
        "none is inconclusive: the difference from learned is +0.003 bits per byte "
        "(95 % CI −0.025 to +0.031, Holm-adjusted p = 0.78, 5 seeds), "
        "and about 56 seeds (95 % interval 22 to 438) would be needed to detect 0.01, "
        "about 61 seeds (95 % interval 24 to 486) to show equivalence where there is none."
    )


def test_a_difference_is_variant_minus_baseline_for_either_goal_and_any_verdict(study) -> None:
    by = (0.020, 0.023, 0.024, 0.019, 0.024)
    said = "than learned: the difference is +0.0220 bits per byte (95 % CI +0.0191 to +0.0249,"
    for goal, verdict in (("max", "better"), ("min", "worse")):
        sentence = analyse(study({"base": BASE, "position=a": plus(*by)}, 0.01, goal)).sentences["position"]
        assert f"a is {verdict} {said}" in sentence


def test_a_difference_that_may_be_too_small_to_matter_is_stated(study) -> None:
    runs = {"base": BASE, "position=a": plus(0.010, 0.013, 0.014, 0.009, 0.012)}
    sentence = analyse(study(runs, smallest_effect=0.0115)).sentences["position"]
    assert "is worse" in sentence
    assert "though perhaps by less than the 0.0115 that matters" in sentence


def test_an_equivalent_difference_that_is_real_is_stated_as_both(study) -> None:
    runs = {"base": BASE, "position=a": plus(0.0010, 0.0013, 0.0014, 0.0009, 0.0012)}
    sentence = analyse(study(runs, smallest_effect=0.01)).sentences["position"]
    assert "a is equivalent to learned within 0.01" in sentence
    assert "(90 % CI " in sentence, "the interval that two one-sided tests at 5 % correspond to"
    assert "there is a difference (Holm-adjusted p < 0.001), smaller than what was declared to matter" in sentence


def test_an_interval_beyond_zero_that_does_not_survive_correction_is_explained(study) -> None:
    noisy = [plus(*by) for by in np.random.default_rng(1).normal(0, 0.03, size=(5, 5)).tolist()]
    runs = {"base": BASE, **{f"position=p{i}": of for i, of in enumerate(noisy)}}
    runs["position=p0"] = plus(0.01, 0.04, 0.02, 0.03, 0.005)
    found = analyse(study(runs))
    contrast = found.contrasts[0]
    assert (contrast.verdict, (contrast.low or 0) > 0) == ("inconclusive", True)
    assert "although the interval excludes zero before correction" in found.sentences["position"]


def test_a_variant_of_several_factors_speaks_under_its_own_name(study) -> None:
    factors = {"position": ["learned", "rope"], "norm": ["layer", "rms"]}
    runs = {"base": BASE, "position=rope, norm=rms": plus(0.02, 0.023, 0.024, 0.019, 0.024)}
    found = analyse(study(runs, design="list", factors=factors))
    assert list(found.sentences) == ["position=rope, norm=rms"]
    assert "is worse than the baseline: the difference is +0.0220" in found.sentences["position=rope, norm=rms"]


def test_every_variant_has_a_clause_and_semicolons_part_nothing_else(study) -> None:
    runs = {
        "base": BASE,
        "position=lost": ["diverged", "failed", *BASE[2:]],
        "position=few": ["diverged"] * 3 + BASE[3:],
        "position=waiting": [*BASE[:4], "waiting"],
        "position=unclear": plus(0.02, -0.03, 0.01, 0.024, -0.009),
        "position=alike": plus(0.0010, 0.0013, 0.0014, 0.0009, 0.0012),
    }
    (verdict,) = analyse(study(runs, smallest_effect=0.01)).verdicts
    assert [clause.split()[0] for clause in verdict.clauses] == ["lost", "few", "waiting", "unclear", "alike"]
    assert [contrast.level for contrast in verdict.contrasts] == ["lost", "few", "waiting", "unclear", "alike"]
    assert verdict.sentence.removeprefix("position: ").removesuffix(".").split("; ") == [*verdict.clauses]


def test_adding_seeds_because_of_the_result_is_called_a_look(study) -> None:
    found = analyse(study({"base": BASE, "position=a": plus(0.02, -0.03, 0.01, 0.024, -0.009)}))
    assert any("a look that was not declared" in note.text for note in found.notes)


def test_summaries_count_states_and_take_survivors_only(study) -> None:
    runs = {"base": BASE, "position=a": [2.0, 2.2, "diverged", "failed", "waiting"]}
    summary = analyse(study(runs)).summaries[1]
    counted = (summary.planned, summary.done, summary.diverged, summary.failed, summary.waiting)
    assert counted == (5, 2, 1, 1, 1)
    assert (summary.mean, summary.sd) == pytest.approx((2.1, 0.2 / 2**0.5))


def test_tuning_is_summarised_by_variant_and_value(study) -> None:
    trials = [
        Trial(variant=variant, values={"lr": lr}, seed=seed, state="done", metric=2 + lr + 0.1 * seed)
        for variant in ("base", "position=a")
        for lr in (0.001, 0.003)
        for seed in (0, 1)
    ]
    trials[1] = Trial(variant="base", values={"lr": 0.001}, seed=1, state="diverged")
    results = study({"base": BASE, "position=a": BASE}, trials=trials, tuned_knobs={"lr": None})
    tuned = [v.model_copy(update={"tuned": {"lr": 0.003}}) for v in results.variants]
    rows = analyse(results.model_copy(update={"variants": tuned})).tuning
    assert [(r.variant, r.values["lr"], r.trials, r.done, r.chosen) for r in rows] == [
        ("base", 0.001, 2, 1, False),
        ("base", 0.003, 2, 2, True),
        ("position=a", 0.001, 2, 2, False),
        ("position=a", 0.003, 2, 2, True),
    ]
    assert (rows[0].mean, rows[0].sd) == (2.001, None)
    assert rows[1].mean == pytest.approx(2.053)


def test_unequal_trials_are_stated(study) -> None:
    trials = [
        Trial(variant=v, values={"lr": 1}, seed=0, state="done", metric=2.0) for v in ("base", "base", "position=a")
    ]
    found = analyse(study({"base": BASE, "position=a": BASE}, trials=trials))
    assert any("unequal numbers of trials: base 2, position=a 1" in note.text for note in found.notes)


def test_what_the_verdicts_hold_for_and_what_else_may_be_behind_them_is_stated(study) -> None:
    results = study({"base": BASE, "position=a": BASE, "position=b": BASE})
    one, same, large = results.variants
    large = large.model_copy(update={"parameters": 130, "tokens": 104})
    base, same = (each.model_copy(update={"parameters": 100, "tokens": 100}) for each in (one, same))
    uneven = results.model_copy(update={"variants": [base, same, large]})
    notes = [note.text for note in analyse(uneven).notes]
    assert any(note.startswith("Not at equal parameters: position=b (+30%).") for note in notes)
    assert not any("equal tokens" in note or "equal FLOPs" in note for note in notes), "4 % is in the table"
    said = [note.text for note in scope(uneven)]
    assert notes[-2:] == said, "the report says it after everything else"
    assert "hold for this recipe" in said[0]
    assert "No knob was tuned" in said[1]
    assert [note.text for note in scope(uneven.model_copy(update={"tuned_knobs": {"lr": None}}))] == said[:1]
    assert not list(scope(study({"base": BASE}))), "nothing is compared"


def test_skewed_differences_are_stated_and_symmetric_ones_are_not(study) -> None:
    base = np.random.default_rng(0).normal(2, 0.1, size=10)
    noise = np.array([-3, -2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2, 3])
    skewed, symmetric = base + np.array([0.0, 0.01, 0.02, 0.0, 0.01, 0.0, 0.01, 0.02, 0.0, 5.0]), base + noise
    notes = analyse(
        study({"base": base.tolist(), "position=skewed": skewed.tolist(), "position=fine": symmetric.tolist()})
    ).notes
    (said,) = [note.text for note in notes if note.kind == "skewed"]
    assert "position=skewed" in said
    assert "position=fine" not in said


@pytest.mark.parametrize("n", [5, 10])
def test_normal_differences_are_rarely_called_skewed(n: int) -> None:
    samples = np.random.default_rng(n).normal(size=(1_000, n))
    assert np.mean([skewness_p(sample) < 0.05 for sample in samples]) == pytest.approx(0.05, abs=0.028)


def test_only_bits_per_byte_compares_tokenizers() -> None:
    assert comparable("bits_per_byte", tokenizer_varies=True)
    assert comparable("loss", tokenizer_varies=False)
    assert not comparable("loss", tokenizer_varies=True)
    assert not comparable("perplexity", tokenizer_varies=True)


def test_estimates_read_with_their_level_and_a_true_minus() -> None:
    metric = Metric(name="bits_per_byte", split="valid", goal="min")
    assert estimate(-0.0004, -0.02, 0.0192, 0.025, metric, "p = 0.98") == (
        "0.000 bits per byte (97.5 % CI −0.020 to +0.019, p = 0.98)"
    )
    loss = metric.model_copy(update={"name": "loss"})
    assert estimate(0.25, 0.0, 0.5, 0.05, loss) == "+0.25 in loss (95 % CI 0.00 to +0.50)"


@pytest.mark.parametrize(
    ("p", "said"),
    [(0.0004, "p < 0.001"), (0.0044, "p = 0.004"), (0.049, "p = 0.049"), (0.2149, "p = 0.21"), (0.999, "p > 0.99")],
)
def test_p_values_are_rounded_and_never_zero(p: float, said: str) -> None:
    assert chance(p) == said


def test_the_same_results_give_the_same_analysis(study) -> None:
    results = study({"base": BASE, "position=a": plus(0.02, -0.03, 0.01, 0.024, -0.009)}, 0.01)
    assert analyse(results) == replace(analyse(results))


def test_importing_the_analysis_loads_no_numbers_library() -> None:
    code = (
        "import sys; from partwise.studies.analysis import analyse, detectable_effect, seeds_needed;"
        "from partwise.studies.validity import comparable;"
        "print(sorted({'numpy', 'scipy', 'statsmodels', 'pandas', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_wall_time_that_was_matched_is_said_to_be_measured_and_beside_it_what_runs_took(study) -> None:
    results = study({"base": BASE, "position=a": BASE})
    variants = [v.model_copy(update={"budget": of}) for v, of in zip(results.variants, (31.0, 31.2), strict=True)]
    outcomes = [o.model_copy(update={"seconds": 30.0 if o.variant == "base" else 52.0}) for o in results.outcomes]
    told = analyse(results.model_copy(update={"variants": variants, "outcomes": outcomes})).notes
    (note,) = [one.text for one in told if "wall time" in one.text]
    assert "31.0 s to 31.2 s for a run, by a few updates of each on the machine that planned the study" in note
    assert note.endswith("Their runs took 30.0 s to 52.0 s on average.")
    assert not any("wall time" in one.text for one in analyse(results).notes)
