"""What is said over a ladder of sizes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from partwise.studies.analysis import analyse
from partwise.studies.analysis.family import family
from partwise.studies.analysis.findings import Analysis
from partwise.studies.analysis.ladder_findings import LadderFinding
from partwise.studies.analysis.ladder_verdicts import lost_half
from partwise.studies.results import Results, Trial

from ..fake_ladder import BITS, FLOPS, SIZES, baseline_curve, noisy, planted, study_of
from ..statsmodels_holm import holm_of_statsmodels

UNDECLARED = BITS.model_copy(update={"smallest_effect": None})


def ladder(results: Results) -> dict[str, LadderFinding]:
    return {one.level: one for one in analyse(results).ladder}


@pytest.fixture(scope="module")
def found() -> Analysis:
    return analyse(planted())


def test_each_planted_effect_has_its_verdict(found: Analysis) -> None:
    verdicts = {one.level: (one.verdict, one.direction) for one in found.ladder}
    assert verdicts == {
        "rope": ("holds", "better"),
        "alibi": ("fades", "better"),
        "t5_bias": ("grows", "better"),
        "sinusoidal": ("reverses", None),
        "null": ("inconclusive", None),
    }


def test_the_sentence_says_the_claim_the_ends_the_slope_and_the_speed_up(found: Analysis) -> None:
    (position,) = found.verdicts
    assert position.headline.startswith("rope is better, which holds at every size; alibi is better at 0.1M, 0.3M and")
    rope, alibi, _, sinusoidal, null = position.clauses
    assert rope.startswith(
        "rope is better than learned, which holds at every size: the difference is \N{MINUS SIGN}0.1190 bits"
    )
    assert "at 0.1M and \N{MINUS SIGN}0.093 bits per byte (95 % CI" in rope
    assert "with ten times the compute it changes by +0.0069 bits per byte (95 % CI +0.0024 to" in rope
    assert rope.endswith("its effective speed-up at 3M is 4.09 (95 % CI 3.28 to 5.22)")
    assert (
        "which fades (at 3M less than half of the difference is left, and nothing was found): the difference is"
        in alibi
    )
    assert sinusoidal.startswith(
        "sinusoidal reverses: it is better than learned at 0.1M and 0.3M, and worse at 1M and 3M"
    )
    assert null.startswith(
        "null is inconclusive over the sizes against learned; by its tests it is equivalent at 1M, and"
    )


def test_the_slope_is_a_t_test_over_the_seeds_own_slopes(found: Analysis) -> None:
    results = planted()
    rope = next(one for one in found.ladder if one.level == "rope")
    per_seed = []
    for seed in results.seeds:
        at = [results.at(size) for size in SIZES]
        differences = [of.values("position=rope")[seed] - of.values("base")[seed] for of in at]
        per_seed.append(stats.linregress(np.log10(FLOPS), differences).slope)
    expected = stats.ttest_1samp(per_seed, 0.0)
    low, high = expected.confidence_interval(0.95)
    assert rope.slope is not None
    assert (rope.slope.estimate, rope.slope.low, rope.slope.high, rope.slope.p) == pytest.approx(
        (np.mean(per_seed), low, high, expected.pvalue)
    )


def test_differences_at_all_sizes_and_slopes_are_one_holm_family(found: Analysis) -> None:
    assert family(planted()) == 5 * 4 + 5
    p = [c.p for c in found.contrasts] + [one.slope.p for one in found.ladder if one.slope]
    adjusted = [c.p_adjusted for c in found.contrasts] + [one.slope.p_adjusted for one in found.ladder if one.slope]
    assert len(p) == 25
    assert adjusted == pytest.approx(holm_of_statsmodels(p))


def test_every_size_is_also_analysed_as_a_study_of_its_own(found: Analysis) -> None:
    assert [one.name for one in found.settings] == [*SIZES]
    alone = analyse(planted().at("1M"))
    setting = found.settings[2].analysis
    assert setting.summaries == alone.summaries
    assert [c.difference for c in setting.contrasts] == [c.difference for c in alone.contrasts]
    assert [c.p for c in setting.contrasts] == [c.p for c in alone.contrasts]
    assert all(a.p_adjusted >= b.p_adjusted for a, b in zip(setting.contrasts, alone.contrasts, strict=True))


def test_where_more_is_better_the_same_effects_are_said_the_other_way_round() -> None:
    results = planted()
    flipped = [o.model_copy(update={"metric": 4 - o.metric}) for o in results.outcomes if o.metric is not None]
    metric = results.metric.model_copy(update={"goal": "max"})
    other = ladder(results.model_copy(update={"outcomes": flipped, "metric": metric}))
    for level, one in ladder(results).items():
        assert (one.verdict, one.direction, one.trend) == (
            other[level].verdict,
            other[level].direction,
            other[level].trend,
        )
        assert other[level].speed_up is not None


def test_equivalence_at_every_size_is_said_where_it_is_shown() -> None:
    same = noisy({"learned": baseline_curve(), "null": baseline_curve()}, seeds=8, sd=0.001)
    found = analyse(study_of(same))
    assert found.ladder[0].verdict == "equivalent"
    assert "null is equivalent to learned within 0.01 at every size" in found.sentences["position"]


def test_an_effect_that_was_declared_not_to_matter_at_the_largest_size_does_not_hold() -> None:
    base = baseline_curve()
    small = noisy({"learned": base, "rope": base - np.array([0.1, 0.06, 0.03, 0.004])}, seeds=8, sd=0.001)
    found = ladder(study_of(small))["rope"]
    assert found.contrasts[-1].verdict == "equivalent"
    assert found.contrasts[-1].p_adjusted < 0.05
    assert found.verdict == "fades"


def test_one_size_in_which_nothing_is_found_is_no_effect_at_every_size() -> None:
    base = baseline_curve()
    figures = noisy({"learned": base, "rope": base - np.array([0.1, 0.0, 0.1, 0.1])}, seeds=5)
    assert ladder(study_of(figures))["rope"].verdict == "inconclusive"


def test_an_effect_that_is_not_found_where_seeds_scatter_most_is_not_said_to_fade() -> None:
    base = baseline_curve()
    figures = noisy({"learned": base, "rope": base - np.array([0.2, 0.16, 0.13, 0.1])}, seeds=8, sd=0.004)
    figures["rope"][3] += 0.15 * np.array([1, -1, 1, -1, 1, -1, 1, -1])
    (rope,) = ladder(study_of(figures, metric=UNDECLARED)).values()
    assert [c.verdict for c in rope.contrasts] == ["better", "better", "better", "inconclusive"]
    assert rope.verdict == "inconclusive"


def test_less_than_half_is_left_by_a_t_test_over_the_seeds() -> None:
    of = np.random.default_rng(2).normal([[0.2], [0.1], [0.02]], 0.03, (3, 6))
    expected = stats.ttest_1samp(of[2] - of[0] / 2, 0, alternative="less").pvalue
    assert lost_half(of)[0] == pytest.approx(expected)
    assert lost_half(-of)[0] == pytest.approx(expected)


def test_a_ladder_waits_for_all_its_sizes_and_says_so() -> None:
    results = planted()
    outcomes = [
        o.model_copy(update={"state": "waiting", "metric": None})
        if (o.size, o.seed, o.variant) == ("3M", 4, "position=rope")
        else o
        for o in results.outcomes
    ]
    found = analyse(results.model_copy(update={"outcomes": outcomes}))
    assert "rope" not in {one.level for one in found.ladder}
    assert "alibi" in {one.level for one in found.ladder}


def test_a_size_with_too_few_seeds_leaves_no_verdict_over_the_sizes() -> None:
    results = planted(seeds=3)
    outcomes = [
        o.model_copy(update={"state": "failed", "metric": None}) if (o.size, o.seed) == ("0.3M", 0) else o
        for o in results.outcomes
    ]
    found = ladder(results.model_copy(update={"outcomes": outcomes}))
    assert {one.verdict for one in found.values()} == {"no verdict"}
    assert found["rope"].slope is None


def test_a_seed_that_is_lost_at_one_size_leaves_the_slope_to_the_others() -> None:
    results = planted(seeds=6)
    outcomes = [
        o.model_copy(update={"state": "diverged", "metric": None})
        if (o.size, o.seed, o.variant) == ("0.3M", 0, "position=rope")
        else o
        for o in results.outcomes
    ]
    found = ladder(results.model_copy(update={"outcomes": outcomes}))["rope"]
    assert found.slope is not None
    assert found.slope.units == 5
    assert found.contrasts[1].has("withheld")
    assert found.verdict == "inconclusive", "a size at which the variant lost a run supports no claim for it"


def test_what_limits_a_size_is_said_of_the_ladder_and_at_which_sizes() -> None:
    knob, rates = "trainer.optimizer.lr", [0.001, 0.003, 0.01]
    results = planted()
    variants = [
        v.model_copy(update={"tuned": {knob: 0.01 if v.size in ("1M", "3M") and v.name == "position=rope" else 0.003}})
        for v in results.variants
    ]
    trials = [
        Trial(variant=v.name, size=v.size, values={knob: rate}, seed=1000, state="done", metric=2.0)
        for v in variants
        for rate in rates
    ]
    found = analyse(results.model_copy(update={"variants": variants, "trials": trials, "tuned_knobs": {knob: None}}))
    rope = next(one for one in found.ladder if one.level == "rope")
    assert [note.kind for note in rope.notes] == ["edge"]
    assert rope.notes[0].text == (
        "at 1M and 3M: the best lr of the variant, 0.01, is the largest that was tried, so that a better one may lie "
        "beyond"
    )
    assert "[at 1M and 3M: the best lr of the variant" in found.sentences["position"]
    rows = [row for row in found.tuning if row.values == {knob: 0.01} and row.variant == "position=rope"]
    assert {(row.size, row.chosen) for row in rows} == {
        ("0.1M", False), ("0.3M", False), ("1M", True), ("3M", True),
    }  # fmt: skip


def test_compute_that_was_not_counted_is_estimated_and_said() -> None:
    results = planted()
    variants = [v.model_copy(update={"training_flops": None}) if v.size == "1M" else v for v in results.variants]
    found = analyse(results.model_copy(update={"variants": variants}))
    assert found.ladder[0].compute == pytest.approx([6.0 * 1000 * 3**i * 20_000 * 3**i for i in range(4)])
    assert any(note.kind == "compute" and "6 x parameters x tokens" in note.text for note in found.notes)


def test_sizes_of_the_same_compute_have_no_slope_and_no_speed_up() -> None:
    base = baseline_curve()
    figures = noisy({"learned": base, "rope": base - 0.1}, seeds=5)
    found = analyse(study_of(figures, flops=[1e12] * 4))
    (rope,) = found.ladder
    assert rope.slope is None
    assert rope.speed_ups == ()
    assert rope.verdict == "holds"
    assert "speed-up" not in found.sentences["position"]


def test_two_sizes_are_called_few() -> None:
    base = baseline_curve(2)
    found = analyse(study_of(noisy({"learned": base, "rope": base - 0.1}, seeds=5), sizes=SIZES[:2]))
    assert found.ladder[0].verdict == "holds"
    assert any(note.kind == "few_sizes" for note in found.notes)


def test_a_note_that_is_true_of_every_size_is_said_once(found: Analysis) -> None:
    texts = [note.text for note in found.notes]
    assert sum("No knob was tuned" in text for text in texts) == 1
    assert len(set(texts)) == len(texts)


def test_a_metric_that_does_not_compare_the_variants_says_nothing_over_sizes_either() -> None:
    results = planted()
    loss = results.metric.model_copy(update={"name": "loss"})
    found = analyse(results.model_copy(update={"metric": loss, "tokenizer_varies": True}))
    assert found.ladder == ()
    assert found.verdicts == ()
    assert {c.verdict for c in found.contrasts} == {"no verdict"}


def test_looks_are_taken_at_all_sizes_together() -> None:
    results = planted(seeds=6)
    looks = [{"seeds": 3, "alpha": 0.02}, {"seeds": 6, "alpha": 0.03}]
    whole = Results.model_validate(results.model_dump() | {"looks": looks})
    early = [o.model_copy(update={"state": "waiting", "metric": None}) if o.seed > 2 else o for o in whole.outcomes]
    first, last = ladder(whole.model_copy(update={"outcomes": early})), ladder(whole)
    assert {c.look for one in first.values() for c in one.contrasts} == {1}
    assert {c.look for one in last.values() for c in one.contrasts} == {2}
    assert first["rope"].slope is not None
    assert first["rope"].slope.units == 3
    assert last["rope"].verdict == "holds"


def test_the_baseline_alone_has_a_curve_and_no_verdict() -> None:
    found = analyse(study_of(noisy({"learned": baseline_curve()}, seeds=3)))
    assert found.ladder == ()
    assert len(found.curves) == 1


def test_curves_have_their_points_residuals_and_a_law_where_it_can_be_told(found: Analysis) -> None:
    base = found.curves[0]
    at = planted().at("0.3M")
    values = [*at.values("base").values()]
    assert base.points[1].mean == pytest.approx(np.mean(values))
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (base.points[1].low, base.points[1].high) == pytest.approx((low, high))
    assert [p.residual is None for p in base.points] == [True, False, False, True]
    assert max(abs(p.residual) for p in base.points[1:3]) < 0.02
    assert base.law is not None
    assert [base.law.at(p.compute) + r for p, r in zip(base.points, base.law.residuals, strict=True)] == pytest.approx(
        [p.mean for p in base.points]
    )


def test_the_law_of_a_curve_without_noise_is_found() -> None:
    from partwise.studies.analysis.curves import law_of

    compute = np.array([1e12, 1e13, 3e14, 1e15])
    law = law_of(compute, 1.2 + 40 * compute**-0.12)
    assert law is not None
    assert (law.floor, law.scale, law.power) == pytest.approx((1.2, 40, 0.12), rel=1e-3)
    assert law_of(compute[:3], 1.2 + 40 * compute[:3] ** -0.12) is None
    assert law_of(compute, np.array([1.0, 2.0, 3.0, 4.0])) is None


def test_further_baselines_are_compared_at_every_size_and_have_no_ladder_of_their_own() -> None:
    results = planted().model_copy(update={"baselines": ["position=rope"]})
    found = analyse(results)
    assert len(found.pairs) == 4 * 4
    assert family(results) == (5 + 4) * 4 + 5
    assert [one.level for one in found.ladder] == ["rope", "alibi", "t5_bias", "sinusoidal", "null"]
    assert [one.verdict for one in found.ladder] == ["holds", "fades", "grows", "reverses", "inconclusive"]
    assert "at 1M, position=alibi is worse than position=rope" in found.sentences["against position=rope"]
