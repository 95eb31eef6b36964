"""Studies on several texts: a claim about texts like them where there are three or more, and about each where not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from partwise.studies.analysis import analyse
from partwise.studies.analysis.family import family
from partwise.studies.analysis.findings import Analysis, Contrast
from partwise.studies.results import Metric, Results

from ..fake_ladder import BITS, SIZES, TEST, baseline_curve, noisy, study_of

TEXTS = ("news", "code", "plays", "wiki", "mail")
UNDECLARED = BITS.model_copy(update={"smallest_effect": None})


def texts_study(shifts: list[float], seeds: int = 4, sd: float = 0.002, **facts: object) -> Results:
    """One size; the level `rope` differs from the base by another amount on each text."""
    figures = noisy({"learned": [2.0], "rope": [2.0]}, seeds, sd=sd, texts=len(shifts), seed=1)
    figures["rope"] += np.array(shifts)[None, :, None]
    return study_of(figures, sizes=(), texts=TEXTS[: len(shifts)], metric=UNDECLARED, **facts)


def over(found: Analysis) -> Contrast:
    (contrast,) = found.over_texts
    return contrast


def test_over_texts_the_interval_is_a_t_interval_of_the_texts_means() -> None:
    results = texts_study([-0.1, -0.05, -0.08, -0.02])
    contrast = over(analyse(results))
    means = [
        np.mean(
            [
                results.at(None, text).values("position=rope")[s] - results.at(None, text).values("base")[s]
                for s in range(4)
            ]
        )
        for text in TEXTS[:4]
    ]
    low, high = stats.t.interval(0.95, 3, np.mean(means), stats.sem(means))
    assert contrast.differences == pytest.approx(means)
    assert (contrast.difference, contrast.low, contrast.high) == pytest.approx((np.mean(means), low, high))
    assert contrast.p_adjusted == pytest.approx(stats.ttest_1samp(means, 0).pvalue)
    assert (contrast.pairs, contrast.unit, contrast.text) == (4, "text", None)


def test_an_effect_that_differs_from_text_to_text_is_no_claim_about_texts_however_many_seeds() -> None:
    found = analyse(texts_study([-0.1, 0.1, -0.1, 0.1], seeds=10))
    assert over(found).verdict == "inconclusive"
    assert {c.verdict for c in found.contrasts} == {"no verdict"}
    assert all(c.has("described") for c in found.contrasts)


def test_what_holds_over_texts_is_also_told_of_each() -> None:
    found = analyse(texts_study([-0.1, -0.11, -0.12, -0.09]))
    assert over(found).verdict == "better"
    assert {c.verdict for c in found.contrasts} == {"better"}
    (position,) = found.verdicts
    assert position.headline == "over 4 texts, rope is better."
    assert position.clauses[0].startswith("over 4 texts, rope is better than learned: the difference is")
    assert "4 texts)" in position.clauses[0]


def test_two_texts_support_no_claim_about_others_and_speak_for_themselves() -> None:
    results = texts_study([-0.1, 0.0])
    found = analyse(results)
    assert found.over_texts == ()
    assert [(c.text, c.verdict) for c in found.contrasts] == [("news", "better"), ("code", "inconclusive")]
    assert family(results) == 2
    (note,) = [note for note in found.notes if note.kind == "few_texts"]
    assert note.text.startswith("The verdicts are about news and code, and about no other text: 2 texts cannot show")
    assert found.verdicts[0].headline == "on news, rope is better; on code, rope is inconclusive."


def test_one_seed_on_each_of_five_texts_is_enough_to_speak_of_texts() -> None:
    found = analyse(texts_study([-0.1, -0.11, -0.12, -0.09, -0.1], seeds=1))
    assert over(found).verdict == "better"
    assert {c.verdict for c in found.contrasts} == {"no verdict"}


def test_lost_runs_on_texts_count_against_their_side() -> None:
    results = texts_study([-0.1, -0.11, -0.12, -0.09])
    outcomes = [
        o.model_copy(update={"state": "diverged", "metric": None})
        if (o.text, o.seed, o.variant) == ("news", 0, "position=rope")
        else o
        for o in results.outcomes
    ]
    contrast = over(analyse(results.model_copy(update={"outcomes": outcomes})))
    assert contrast.verdict == "inconclusive"
    assert contrast.has("withheld")
    assert "the variant lost 1 run: the figures of 4 texts cover only the seeds that both finished" in contrast.note


def test_a_text_of_which_nothing_finished_leaves_too_few() -> None:
    results = texts_study([-0.1, -0.11, -0.12])
    outcomes = [
        o.model_copy(update={"state": "failed", "metric": None}) if o.text == "news" else o for o in results.outcomes
    ]
    contrast = over(analyse(results.model_copy(update={"outcomes": outcomes})))
    assert contrast.verdict == "no verdict"
    assert "2 texts with pairs of seeds, and a claim needs at least 3" in contrast.note


def test_texts_that_wait_leave_the_claim_open() -> None:
    results = texts_study([-0.1, -0.11, -0.12])
    outcomes = [
        o.model_copy(update={"state": "waiting", "metric": None}) if o.text == "news" and o.seed == 3 else o
        for o in results.outcomes
    ]
    contrast = over(analyse(results.model_copy(update={"outcomes": outcomes})))
    assert contrast.verdict == "no verdict"
    assert contrast.look is None


@pytest.fixture(scope="module")
def sizes_and_texts() -> Results:
    base = baseline_curve(3)
    figures = noisy(
        {"learned": base, "rope": base - 0.1, "alibi": base - np.array([0.1, 0.05, 0.0])}, 3, sd=0.003, texts=5
    )
    between = np.random.default_rng(3).normal(0, 0.005, (1, 5, 1))
    return study_of(
        {"learned": figures.pop("learned"), **{k: v + between for k, v in figures.items()}}, SIZES[:3], TEXTS
    )


def test_sizes_and_texts_together_have_one_verdict_over_both(sizes_and_texts: Results) -> None:
    found = analyse(sizes_and_texts)
    assert {one.level: (one.verdict, one.text) for one in found.ladder} == {
        "rope": ("holds", None), "alibi": ("fades", None),
    }  # fmt: skip
    assert family(sizes_and_texts) == 2 * 3 + 2
    assert len(found.over_texts) == 6
    assert len(found.contrasts) == 2 * 3 * 5
    rope = found.ladder[0]
    assert rope.slope is not None
    assert rope.slope.units == 5
    assert rope.speed_up is not None
    assert rope.speed_up.low is not None
    assert found.verdicts[0].headline.startswith("over 5 texts, rope is better, which holds at every size")
    assert [one.name for one in found.settings][:2] == ["0.1M on news", "0.1M on code"]
    assert {curve.text for curve in found.curves} == {None}


def test_sizes_on_two_texts_have_a_verdict_on_each(sizes_and_texts: Results) -> None:
    two = [*TEXTS[:2]]
    results = sizes_and_texts.model_copy(
        update={
            "texts": two,
            "variants": [v for v in sizes_and_texts.variants if v.text in two],
            "outcomes": [o for o in sizes_and_texts.outcomes if o.text in two],
        }
    )
    found = analyse(results)
    assert [(one.level, one.text) for one in found.ladder] == [
        ("rope", "news"), ("alibi", "news"), ("rope", "code"), ("alibi", "code"),
    ]  # fmt: skip
    assert family(results) == 2 * 2 * 3 + 2 * 2
    assert "on code, rope is better" in found.verdicts[0].headline


# Secondary metrics


def with_test(primary: list[float], second: list[float], sd: float = 0.003) -> Results:
    levels = ["learned", *(f"p{i}" for i in range(1, len(primary)))]
    valid = noisy({level: [2 + x] for level, x in zip(levels, primary, strict=True)}, 5, sd=sd)
    test = noisy({level: [2.1 + x] for level, x in zip(levels, second, strict=True)}, 5, sd=sd, seed=1)
    return study_of(valid, sizes=(), secondary={"test": (TEST, test)})


def test_a_secondary_metric_is_a_family_of_its_own_and_claims_only_what_the_primary_found() -> None:
    results = with_test([0, -0.1, 0.0], [0, -0.1, -0.1])
    (test,) = analyse(results).secondary
    alone = analyse(results.at(metric="test")).contrasts
    assert [c.p_adjusted for c in test.contrasts] == [c.p_adjusted for c in alone]
    assert [c.verdict for c in alone] == ["better", "better"]
    assert [c.verdict for c in test.contrasts] == ["better", "no verdict"]
    assert test.described == ("position=p2",)
    assert "better by its own figures, which are only described" in test.contrasts[1].note
    assert test.contrasts[1].difference == alone[1].difference


def test_a_secondary_metric_of_sizes_has_a_ladder_of_its_own() -> None:
    base = baseline_curve()
    valid = noisy({"learned": base, "rope": base - 0.1, "null": base}, 5)
    test = noisy({"learned": base, "rope": base - 0.1, "null": base - 0.1}, 5, seed=1)
    (second,) = analyse(study_of(valid, secondary={"test": (TEST, test)})).secondary
    assert {one.level: one.verdict for one in second.ladder} == {"rope": "holds", "null": "no verdict"}
    assert second.metric.split == "test"
    assert second.verdicts[0].headline.startswith("rope is better, which holds at every size; null has no verdict")


def test_a_slope_by_a_secondary_metric_is_no_finding_either_where_the_primary_found_nothing() -> None:
    base = baseline_curve()
    steep = base + np.array([-0.015, -0.005, 0.005, 0.015])
    valid = noisy({"learned": base, "null": base}, 5)
    test = noisy({"learned": base, "null": steep}, 5, sd=0.004, seed=1)
    results = study_of(valid, metric=UNDECLARED, secondary={"test": (TEST, test)})
    (alone,) = analyse(results.by("test")).ladder
    (second,) = analyse(results).secondary[0].ladder
    assert alone.steep
    assert (second.steep, second.trend, second.direction) == (False, None, None)
    assert second.slope == alone.slope


def test_a_secondary_metric_that_was_not_measured_has_no_verdict_and_harms_nothing() -> None:
    results = with_test([0, -0.1, 0.0], [0, -0.1, -0.1])
    outcomes = [o.model_copy(update={"secondary": {}}) for o in results.outcomes]
    found = analyse(results.model_copy(update={"outcomes": outcomes}))
    assert {c.verdict for c in found.secondary[0].contrasts} == {"no verdict"}
    assert found.contrasts[0].verdict == "better"


def test_the_floor_of_the_primary_metric_is_not_that_of_another() -> None:
    results = with_test([0, -0.1], [0, -0.1])
    variants = [v.model_copy(update={"floor": 2.05}) for v in results.variants]
    assert {v.floor for v in results.model_copy(update={"variants": variants}).at(metric="test").variants} == {None}


def test_a_target_that_some_runs_never_reached_leaves_no_means_over_texts() -> None:
    """The texts on which all reached it would flatter whoever failed on the others."""
    metric = Metric(name="steps_to", target=1.5, split="valid", goal="min")
    results = texts_study([-0.1, -0.11, -0.12, -0.09], seeds=5).model_copy(update={"metric": metric})
    outcomes = [
        o.model_copy(update={"metric": None}) if o.text == "news" and o.variant == "position=rope" else o
        for o in results.outcomes
    ]
    contrast = over(analyse(results.model_copy(update={"outcomes": outcomes})))
    assert contrast.difference is None
    assert contrast.has("censored")
    assert contrast.p_divergence == pytest.approx(stats.fisher_exact([[5, 15], [0, 20]])[1])


def test_further_baselines_are_compared_over_texts() -> None:
    figures = noisy({"learned": [2.0], "rope": [1.9], "alibi": [1.8]}, 3, texts=4)
    results = study_of(figures, sizes=(), texts=TEXTS[:4], baselines=["position=rope"])
    found = analyse(results)
    assert [(c.variant, c.verdict) for c in found.over_texts] == [
        ("position=rope", "better"),
        ("position=alibi", "better"),
    ]
    assert [(c.variant, c.against, c.verdict) for c in found.pairs] == [("position=alibi", "position=rope", "better")]


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_whatever_became_of_the_runs_there_is_an_analysis_and_no_claim_for_what_lost_more(data: st.DataObject) -> None:
    """Runs that wait, fail, diverge, or gave nothing by one metric; at sizes, on none, two or four texts."""
    sizes = data.draw(st.sampled_from([(), SIZES[:2], SIZES[:3]]))
    texts = data.draw(st.sampled_from([(), TEXTS[:2], TEXTS[:4]]))
    seeds, rng = data.draw(st.integers(1, 4)), np.random.default_rng(data.draw(st.integers(0, 99)))
    means = {"learned": baseline_curve(max(len(sizes), 1)), "rope": baseline_curve(max(len(sizes), 1)) - 0.1}
    figures = noisy(means, seeds, texts=max(len(texts), 1))
    results = study_of(figures, sizes, texts, secondary={"test": (TEST, figures)})
    kinds = data.draw(st.sampled_from([("done", "failed"), ("done", "diverged"), ("done", "waiting", "failed")]))
    outcomes = []
    for one in results.outcomes:
        state = str(rng.choice(kinds))
        gone = {"state": state, "metric": None, "secondary": {}} if state != "done" else {}
        unmeasured = {"secondary": {}} if rng.random() < 0.2 else {}
        outcomes.append(one.model_copy(update=unmeasured | gone))
    found = analyse(results.model_copy(update={"outcomes": outcomes}))
    assert len(found.settings) == (len(results.settings) if sizes or texts else 0)
    for contrast in (*found.contrasts, *found.over_texts):
        if contrast.has("withheld"):
            assert contrast.verdict == "inconclusive"
    for one in found.ladder:
        if one.verdict == "holds":
            assert not any(c.has("withheld") for c in one.contrasts)
    assert all(verdict.sentence for verdict in found.verdicts)
