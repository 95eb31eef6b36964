"""What `analyse` says of each contrast: direction, lost runs, waiting runs, looks, seeds needed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from partwise.errors import InputError
from partwise.studies.analysis import analyse
from partwise.studies.analysis.findings import Contrast
from partwise.studies.analysis.power import detectable_size, seeds_for_equivalence, seeds_for_size
from partwise.studies.analysis.statistics import always_diverges_error
from partwise.studies.results import Results
from partwise.studies.validity import broken_looks

BASE = [2.000, 2.030, 1.985, 2.012, 1.991]
NOISE = np.array([0.001, -0.002, 0.0015, 0.0005, -0.001])


def shifted(by: float, noise: float = 1.0) -> list[float]:
    return (np.array(BASE) + by + noise * NOISE).tolist()


def only(results: Results) -> Contrast:
    (contrast,) = analyse(results).contrasts
    return contrast


@pytest.mark.parametrize(("goal", "better", "worse"), [("min", -0.05, 0.05), ("max", 0.05, -0.05)])
def test_the_goal_decides_which_direction_is_better(study, goal: str, better: float, worse: float) -> None:
    found = analyse(study({"base": BASE, "position=a": shifted(better), "position=b": shifted(worse)}, 0.01, goal))
    assert [c.verdict for c in found.contrasts] == ["better", "worse"]
    assert found.contrasts[0].difference == pytest.approx(better, abs=1e-6), "variant minus baseline, whatever the goal"


def test_a_real_difference_within_the_smallest_effect_is_equivalent(study) -> None:
    found = only(study({"base": BASE, "position=a": shifted(0.004)}, smallest_effect=0.01))
    assert found.verdict == "equivalent"
    assert found.p_adjusted is not None
    assert found.p_adjusted < 0.05


def test_without_a_smallest_effect_nothing_is_equivalent(study) -> None:
    found = analyse(study({"base": BASE, "position=a": shifted(0.0)}))
    assert found.contrasts[0].verdict == "inconclusive"
    assert found.contrasts[0].p_equivalent is None
    assert any("nothing can be called equivalent" in note.text for note in found.notes)


@pytest.mark.parametrize("seeds", [1, 2])
def test_below_three_pairs_there_is_no_verdict_and_it_is_said(study, seeds: int) -> None:
    results = study({"base": BASE[:seeds], "position=a": shifted(5.0)[:seeds]}, smallest_effect=0.01)
    found = only(results)
    assert (found.verdict, found.low, found.p, found.p_adjusted) == ("no verdict", None, None, None)
    assert found.difference == pytest.approx(5.0, abs=0.01)
    assert "needs at least 3" in found.note
    assert any("no verdict" in note.text for note in analyse(results).notes)


def test_pairs_are_the_seeds_that_both_finished(study) -> None:
    variant = shifted(0.05)
    found = only(study({"base": ["failed", *BASE[1:]], "position=a": [*variant[:4], "diverged"]}))
    assert (found.pairs, found.seeds) == (3, (1, 2, 3))
    assert found.difference == pytest.approx(np.mean(np.array(variant[1:4]) - BASE[1:4]))


@pytest.mark.parametrize("state", ["diverged", "failed"])
def test_a_variant_that_lost_runs_is_never_better_or_equivalent_by_its_survivors(study, state: str) -> None:
    better = analyse(study({"base": BASE, "position=a": [*shifted(-0.05)[:4], state]}, smallest_effect=0.01))
    alike = only(study({"base": BASE, "position=a": [*shifted(0.0)[:4], state]}, smallest_effect=0.01))
    assert better.contrasts[0].verdict == alike.verdict == "inconclusive"
    assert "better on the runs that survived, but withheld" in better.contrasts[0].note
    assert f"lost 1 of 5 runs (1 {state})" in better.contrasts[0].note
    assert any("its mean is over the 4 that finished" in note.text for note in better.notes)
    assert [note.kind for note in better.contrasts[0].notes] == ["withheld", "lost_runs"]
    assert better.contrasts[0].note in better.sentences["position"]


def test_a_variant_that_lost_runs_may_still_be_worse(study) -> None:
    assert only(study({"base": BASE, "position=a": [*shifted(0.05)[:4], "diverged"]}, 0.01)).verdict == "worse"


def test_a_baseline_that_lost_runs_makes_no_variant_worse_by_its_survivors(study) -> None:
    base = [*BASE[:4], "diverged"]
    assert only(study({"base": base, "position=a": shifted(0.05)}, 0.01)).verdict == "inconclusive"
    assert only(study({"base": base, "position=a": shifted(-0.05)}, 0.01)).verdict == "better"


def test_equal_losses_leave_the_verdict_and_are_stated(study) -> None:
    found = only(study({"base": [*BASE[:4], "diverged"], "position=a": ["diverged", *shifted(-0.05)[1:]]}, 0.01))
    assert found.verdict == "better"
    assert "cover only the 3 seeds that both finished" in found.note


def test_a_variant_that_always_diverges_is_worse_without_any_pair(study) -> None:
    found = analyse(study({"base": BASE, "position=a": ["diverged"] * 5}, smallest_effect=0.01))
    contrast = found.contrasts[0]
    assert (contrast.verdict, contrast.pairs, contrast.difference) == ("worse", 0, None)
    assert contrast.p_divergence == pytest.approx(2 / 252)
    assert "worse than learned: a larger share of its runs diverged" in found.sentences["position"]


@pytest.mark.parametrize("variants", [1, 4, 12])
@pytest.mark.parametrize("seeds", [3, 5])
def test_all_of_three_runs_that_diverge_count_against_the_variant_however_many_are_compared(
    study, seeds: int, variants: int
) -> None:
    others = {f"position=p{i}": shifted(0.001 * i)[:seeds] for i in range(variants - 1)}
    found = analyse(study({"base": BASE[:seeds], "position=a": ["diverged"] * seeds, **others}, smallest_effect=0.01))
    assert found.contrasts[0].verdict == "worse"
    assert "a is worse than learned: a" in found.sentences["position"]
    if found.contrasts[0].note.startswith("a rule"):
        assert f"at most {100 / 4**seeds:.1f} % of studies" in found.contrasts[0].note


def test_the_same_rule_holds_for_a_baseline_that_always_diverges(study) -> None:
    found = analyse(study({"base": ["diverged"] * 3, "position=a": BASE[:3]}))
    assert found.contrasts[0].verdict == "better"
    assert "a is better than learned: all of the baseline's runs diverged, and none of its own" in str(found.sentences)


@pytest.mark.parametrize(
    ("base", "variant"),
    [
        (["diverged", *BASE[1:3]], ["diverged"] * 3),  # the baseline is not free of it
        (BASE[:3], ["diverged", "diverged", 2.0]),  # not always
        (BASE[:3], ["diverged", "diverged", "failed"]),  # of two it is known
        (BASE[:2], ["diverged"] * 2),  # too few
        (["failed", *BASE[1:3]], ["diverged"] * 3),
    ],
)
def test_less_than_always_or_less_than_three_gives_no_verdict_by_the_rule(study, base: list, variant: list) -> None:
    assert only(study({"base": base, "position=a": variant})).verdict in ("no verdict", "inconclusive")


@pytest.mark.parametrize("contrasts", [1, 4, 10])
@pytest.mark.parametrize("seeds", [3, 5])
def test_the_rule_errs_as_rarely_as_it_says_whatever_the_chance_to_diverge(seeds: int, contrasts: int) -> None:
    stated, rng, studies, worst = always_diverges_error(seeds, seeds, contrasts), np.random.default_rng(1), 40_000, 0.0
    for chance in (0.1, 0.3, 0.5, 0.7, 0.9):
        lost = rng.random((studies, 1 + contrasts, seeds)) < chance
        worst = max(worst, float(np.mean(~lost[:, 0].any(-1) & lost[:, 1:].all(-1).any(-1))))
    assert worst < stated + 4 * np.sqrt(stated * (1 - stated) / studies)
    if contrasts == 1:
        assert stated == pytest.approx(4.0**-seeds)


def test_runs_that_failed_otherwise_give_no_verdict_against_the_variant(study) -> None:
    """Killed or out of time: they may be the machine's fault."""
    assert only(study({"base": BASE, "position=a": ["failed"] * 5})).verdict == "no verdict"


def test_a_contrast_with_waiting_runs_shows_what_is_there_and_claims_nothing(study) -> None:
    runs = {"base": BASE, "position=a": [*shifted(0.05)[:4], "waiting"], "position=b": shifted(0.05)}
    waiting, done = analyse(study(runs, smallest_effect=0.01)).contrasts
    assert (waiting.verdict, waiting.p, waiting.low, waiting.look) == ("no verdict", None, None, None)
    assert waiting.difference == pytest.approx(0.05, abs=0.01)
    assert "not declared" in waiting.note
    assert (done.verdict, done.look) == ("worse", 1), "whose own runs are all in, and can no longer change"


def test_what_is_said_while_others_wait_is_only_confirmed_when_they_arrive(study) -> None:
    runs = {"base": BASE, "position=a": shifted(0.004, noise=2.0), "position=b": shifted(0.05)}
    early = analyse(study({**runs, "position=b": ["waiting"] * 5})).contrasts[0]
    late = analyse(study(runs)).contrasts[0]
    assert early.p == late.p
    assert early.p_adjusted is not None
    assert late.p_adjusted is not None
    assert late.p_adjusted <= early.p_adjusted


def test_a_run_without_an_outcome_is_waiting(study) -> None:
    results = study({"base": BASE, "position=a": shifted(0.05)})
    missing = results.model_copy(update={"outcomes": results.outcomes[:-1]})
    assert only(missing).verdict == "no verdict"
    assert analyse(missing).summaries[1].waiting == 1


LOOKS = [(3, 0.01), (5, 0.04)]


def test_a_look_uses_the_seeds_it_declares_and_its_share_of_alpha(study) -> None:
    four = [*shifted(0.05)[:4], "waiting"]
    found = only(study({"base": BASE, "position=a": four}, looks=LOOKS))
    three = only(study({"base": BASE[:3], "position=a": four[:3]}, alpha=0.01))
    assert (found.look, found.alpha, found.pairs) == (1, 0.01, 3), "the fourth seed waits for its look"
    assert (found.low, found.high, found.p, found.verdict) == (three.low, three.high, three.p, three.verdict)


def test_the_last_look_uses_all_seeds_at_its_own_share(study) -> None:
    runs = {"base": BASE, "position=a": shifted(0.004, noise=3.0)}
    last, plain = only(study(runs, looks=LOOKS)), only(study(runs))
    assert (last.look, last.alpha, last.pairs, last.p) == (2, 0.04, 5, plain.p)
    assert last.low < plain.low < plain.high < last.high  # type: ignore[operator]


def test_before_the_first_look_there_is_no_verdict(study) -> None:
    found = analyse(study({"base": BASE, "position=a": [*shifted(0.5)[:2], *["waiting"] * 3]}, looks=LOOKS))
    assert found.contrasts[0].verdict == "no verdict"
    assert found.pooled is None
    assert "before 3 seeds" in found.contrasts[0].note


def test_the_look_that_was_reached_is_stated(study) -> None:
    notes = analyse(study({"base": BASE, "position=a": [*shifted(0.5)[:3], *["waiting"] * 2]}, looks=LOOKS)).notes
    assert any(
        "Look 1 of 2, declared at 3 seeds with 0.01 of an alpha of 0.05: position=a" in note.text for note in notes
    )


@pytest.mark.parametrize(
    ("looks", "message"),
    [
        ([(3, 0.03), (5, 0.03)], "spend 0.06 in all, more than alpha 0.05"),
        ([(5, 0.02), (3, 0.02)], "more seeds than the one before"),
        ([(3, 0.02), (3, 0.02)], "more seeds than the one before"),
        ([(2, 0.02), (5, 0.02)], "no verdict is given below 3"),
        ([(3, 0.02), (4, 0.02)], "the last look is after 4 seeds, and the study has 5"),
        ([(3, 0.0), (5, 0.05)], "positive share"),
    ],
)
def test_looks_that_do_not_hold_alpha_are_refused(study, looks: list[tuple[int, float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        analyse(study({"base": BASE, "position=a": shifted(0.0)}, looks=looks))


def test_looks_may_spend_exactly_alpha_in_any_split() -> None:
    assert not [*broken_looks([(3, 0.01), (5, 0.01), (10, 0.03)], 0.05, 10)]
    assert not [*broken_looks([], 0.05, 1)]


def test_seeds_needed_and_detectable_effect_are_of_the_same_paired_spread(study) -> None:
    """Two figures on one page: what these seeds detect, and how many would detect the smallest effect."""
    runs = {"base": BASE, "position=a": shifted(0.001, noise=8.0), "position=b": shifted(0.05)}
    found = analyse(study(runs, smallest_effect=0.01)).contrasts[0]
    sd = np.std(found.differences, ddof=1)
    assert found.verdict == "inconclusive"
    assert found.detectable == pytest.approx(detectable_size(5, 0.05 / 2) * sd)
    assert (found.seeds_needed, found.needed_for) == (seeds_for_size(0.01 / sd, 0.05 / 2), 0.01)
    for effect, seeds in ((found.detectable * 1.001, 5), (found.detectable * 0.999, 6)):
        runs_needed = analyse(study(runs, smallest_effect=effect)).contrasts[0]
        assert runs_needed.seeds_needed == seeds or runs_needed.needed_for != effect


def test_seeds_needed_have_the_interval_of_the_spread_they_are_from(study) -> None:
    found = only(study({"base": BASE, "position=a": shifted(0.001, noise=8.0)}, smallest_effect=0.01))
    assert found.needed is not None
    assert found.equivalence is not None
    sd = float(np.std(found.differences, ddof=1))
    ends = [sd * np.sqrt(4 / stats.chi2.ppf(q, 4)) for q in (0.975, 0.025)]
    assert [found.needed.fewest, found.needed.most] == [seeds_for_size(0.01 / end, 0.05) for end in ends]
    assert found.needed.seeds == found.seeds_needed
    assert found.equivalence.seeds == seeds_for_equivalence(0.01 / sd, 0.05)
    said = analyse(study({"base": BASE, "position=a": shifted(0.001, noise=8.0)}, smallest_effect=0.01)).sentences
    assert "seeds (95 % interval " in said["position"]
    assert "to show equivalence where there is none" in said["position"]


def test_without_a_smallest_effect_seeds_are_needed_for_the_difference_seen(study) -> None:
    found = only(study({"base": BASE, "position=a": shifted(0.002, noise=4.0)}))
    assert found.needed_for == pytest.approx(abs(found.difference or 0))
    assert found.seeds_needed is not None
    assert found.seeds_needed > 5


def test_where_the_smallest_effect_should_have_been_found_the_difference_seen_is_stated_instead(study) -> None:
    base = [2.000, 2.001, 1.999, 2.002, 1.998]
    variant = (np.array(base) + 0.008 + np.array([0.006, -0.007, 0.004, -0.008, 0.005])).tolist()
    found = only(study({"base": base, "position=a": variant}, smallest_effect=0.02))
    assert found.verdict in ("inconclusive", "equivalent")
    if found.verdict == "inconclusive":
        assert found.needed_for is not None
        assert found.needed_for < 0.02


def test_variants_that_are_one_and_the_same_run_differ_by_nothing(study) -> None:
    found = only(study({"base": BASE, "position=a": BASE}, smallest_effect=0.01))
    assert (found.verdict, found.difference, found.p) == ("equivalent", 0, 1)
    assert found.note == "both gave exactly the same value on all 5 seeds"


def test_pairing_reports_the_correlation_it_gave(study) -> None:
    found = only(study({"base": BASE, "position=a": shifted(0.01, noise=5.0)}))
    assert found.correlation == pytest.approx(np.corrcoef(BASE, shifted(0.01, noise=5.0))[0, 1])
    assert only(study({"base": [2.0] * 5, "position=a": shifted(0)})).correlation is None


def test_a_metric_per_token_is_refused_where_the_tokenizer_varies(study) -> None:
    results = study({"base": BASE, "position=a": shifted(0.05)}, 0.01, tokenizer_varies=True)
    assert only(results).verdict == "worse", "bits per byte compare"
    loss = results.model_copy(update={"metric": results.metric.model_copy(update={"name": "loss"})})
    found = analyse(loss)
    assert (found.contrasts[0].verdict, found.contrasts[0].difference, found.sentences) == ("no verdict", None, {})
    assert "bits_per_byte" in found.notes[0].text


def test_power_is_stated_at_the_corrected_level_from_the_spread_of_differences(study) -> None:
    runs = {"base": BASE, "position=a": shifted(0.0), "position=b": shifted(0.05, noise=3.0)}
    power = analyse(study(runs)).power
    sd = np.sqrt(np.mean([np.var(NOISE, ddof=1), np.var(3 * NOISE, ddof=1)]))
    assert power.sd_of_differences == pytest.approx(sd)
    assert power.detectable == pytest.approx(2.04 * sd, rel=0.01)  # 5 seeds, two contrasts, simulated


def test_a_baseline_by_itself_is_described_and_compared_with_nothing(study) -> None:
    found = analyse(study({"base": BASE}))
    assert (found.contrasts, found.sentences, found.pooled, found.power.detectable) == ((), {}, None, None)
    assert found.summaries[0].mean == pytest.approx(np.mean(BASE))


def test_where_nothing_has_run_nothing_is_said_and_nothing_fails(study) -> None:
    found = analyse(study({"base": ["waiting"] * 5, "position=a": ["failed"] * 5}, smallest_effect=0.01))
    assert (found.contrasts[0].verdict, found.contrasts[0].difference) == ("no verdict", None)
    assert "a has no verdict against learned [runs are waiting" in found.sentences["position"]


def test_waiting_contrasts_count_fully_in_the_correction_of_finished_ones(study) -> None:
    """Whatever their seeds so far look like: those are not looked at."""
    runs = {"base": BASE, "position=a": shifted(0.004, noise=2.0), "position=b": [*shifted(0.05)[:4], "waiting"]}
    finished = analyse(study(runs)).contrasts[0]
    assert finished.p_adjusted == pytest.approx(2 * (finished.p or 0))


def test_diverging_far_more_often_is_worse_though_the_survivors_are_alike(study) -> None:
    base = [*BASE, *BASE]
    variant = [*(np.array(BASE[:3]) + 1e-4 * NOISE[:3]).tolist(), *["diverged"] * 7]
    found = only(study({"base": base, "position=a": variant}, smallest_effect=0.01))
    assert found.p_equivalent is not None
    assert found.p_equivalent < 0.05
    assert found.verdict == "worse"
    assert found.p_divergence is not None
    assert found.p_adjusted == pytest.approx(2 * found.p_divergence), "two tests were made of one contrast"
