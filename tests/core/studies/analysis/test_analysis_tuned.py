"""What tuning leaves open, and that every format says what was chosen."""

from __future__ import annotations

import pytest

from partwise.studies.analysis import analyse
from partwise.studies.report import render
from partwise.studies.report.report import Report
from partwise.studies.results import Drawn, Results, SharedChoice, Trial
from partwise.studies.tables import table

BASE = [2.000, 2.030, 1.985, 2.012, 1.991]
OTHER = [1.980, 2.007, 1.961, 1.993, 1.967]
KNOB = "trainer.optimizer.lr"


def tuned(
    study,
    chosen: dict[str, object],
    values: list[object],
    states: dict[object, str] | None = None,
    seeds=(1000,),
    split="valid",
) -> Results:
    results = study({"base": BASE, "position=a": OTHER}, 0.01, tuned_knobs={KNOB: None})
    trials = []
    for variant in chosen:
        for value in values:
            state = (states or {}).get(repr(value), "done")
            figure = {"metric": 2.0} if state == "done" else {}
            trials += [Trial(variant=variant, values={KNOB: value}, seed=seed, state=state, **figure) for seed in seeds]
    variants = [v.model_copy(update={"tuned": {KNOB: chosen[v.name]}}) for v in results.variants]
    metric = results.metric.model_copy(update={"split": split})
    return results.model_copy(update={"variants": variants, "trials": trials, "metric": metric})


@pytest.mark.parametrize(
    ("base", "variant", "said"),
    [
        (0.003, 0.003, []),
        (0.003, 0.01, ["the best lr of the variant, 0.01, is the largest that was tried"]),
        (0.001, 0.003, ["the best lr of the baseline, 0.001, is the smallest that was tried"]),
        (0.01, 0.01, ["the best lr of both, 0.01, is the largest that was tried"]),
        (0.001, 0.01, ["of the variant, 0.01, is the largest", "of the baseline, 0.001, is the smallest"]),
    ],
)
def test_a_best_value_at_the_edge_of_its_range_is_said_in_the_verdict(study, base, variant, said: list[str]) -> None:
    found = analyse(tuned(study, {"base": base, "position=a": variant}, [0.003, 0.001, 0.01]))
    sentence = found.sentences["position"]
    assert sentence.count("that was tried") == len(said)
    assert all(one in sentence for one in said)


def test_what_diverged_was_tried_and_what_failed_was_not(study) -> None:
    chosen = {"base": 0.003, "position=a": 0.003}
    for state, edges in (("diverged", 0), ("failed", 1), ("waiting", 1)):
        found = analyse(tuned(study, chosen, [0.001, 0.003, 0.01], {"0.01": state}))
        assert found.sentences["position"].count("that was tried") == edges


@pytest.mark.parametrize("values", [["adamw", "muon"], [True, False], [{"use": "rope"}, 0.1]])
def test_what_is_no_number_has_no_edge(study, values: list[object]) -> None:
    found = analyse(tuned(study, {"base": values[0], "position=a": values[1]}, values))
    assert "that was tried" not in found.sentences["position"]


def test_one_choice_for_all_runs_is_said_with_how_much_wider_it_makes_the_intervals(study) -> None:
    chosen = {"base": 0.003, "position=a": 0.003}
    for seeds, alone in (((1000,), True), ((1000, 1001, 1002), False)):
        results = tuned(study, chosen, [0.001, 0.003, 0.01], seeds=seeds)
        report = Report(results, analyse(results))
        assert ("which alone decides" in report.tuning) == alone
        wider = SharedChoice(seeds=len(seeds), among=3).widening(5)
        assert any(f"the intervals are {wider:.2g} times as wide" in line for line in report.limits)


@pytest.mark.parametrize(("split", "same"), [("valid", True), ("test", False)])
def test_whether_tuning_saw_the_texts_of_the_comparison_is_said_right(study, split: str, same: bool) -> None:
    results = tuned(study, {"base": 0.003, "position=a": 0.003}, [0.001, 0.003, 0.01], split=split)
    report = Report(results, analyse(results))
    assert report.tuning.endswith(
        "The comparison uses other seeds, " + ("on the same texts." if same else "on other texts (the test split).")
    )
    assert any("use the same texts" in line for line in report.limits) == same


def test_every_format_has_tuned_and_matched_values(study) -> None:
    results = tuned(study, {"base": 0.001, "position=a": 0.003}, [0.001, 0.003, 0.01])
    base, other = results.variants
    other = other.model_copy(update={"matched": {"model.ratio": 3.875}})
    results = results.model_copy(update={"variants": [base, other]})
    files = render(Report(results, analyse(results)))
    for name in ("variants", "runs"):
        head, rows = table(name, results, analyse(results))
        assert {row[head.index(f"tuned.{KNOB}")] for row in rows} == {0.001, 0.003}
        assert {row[head.index("matched.model.ratio")] for row in rows} == {None, 3.875}
    for name in ("report.html", "report.md", "table.tex"):
        assert "3.875" in files[name]
        assert "0.003" in files[name]


DECAY = "trainer.optimizer.weight_decay"


def searched(study, knobs, points, chosen, **facts) -> Results:
    """Both variants were tried at the same points; the points that they chose are given by number."""
    results = study({"base": BASE, "position=a": OTHER}, 0.01, tuned_knobs=knobs)
    trials = [
        Trial(variant=v, values=point, seed=1000, state="done", metric=2.0 + 0.01 * number, **facts)
        for v in ("base", "position=a")
        for number, point in enumerate(points)
    ]
    picked = dict(zip(("base", "position=a"), chosen, strict=True))
    variants = [v.model_copy(update={"tuned": points[picked[v.name]]}) for v in results.variants]
    return results.model_copy(update={"variants": variants, "trials": trials})


def test_of_several_knobs_each_that_ends_at_an_edge_is_named(study) -> None:
    points = [{KNOB: lr, DECAY: decay} for lr in (0.001, 0.003, 0.01) for decay in (0.0, 0.1, 0.3)]
    found = searched(study, {KNOB: None, DECAY: None}, points, (4, 8))
    sentence = analyse(found).sentences["position"]
    assert "the best lr of the variant, 0.01, is the largest that was tried" in sentence
    assert "the best weight_decay of the variant, 0.3, is the largest that was tried" in sentence
    assert "baseline, 0" not in sentence


def test_nothing_lies_beyond_zero(study) -> None:
    points = [{KNOB: lr, DECAY: decay} for lr in (0.001, 0.003, 0.01) for decay in (0.0, 0.1, 0.3)]
    assert (
        "weight_decay" not in analyse(searched(study, {KNOB: None, DECAY: None}, points, (3, 3))).sentences["position"]
    )


def test_a_draw_near_the_end_of_its_range_is_an_edge_by_the_scale_it_was_drawn_on(study) -> None:
    rates = [0.00013, 0.001, 0.004, 0.0088, 0.0095]
    points = [{KNOB: rate} for rate in rates]
    log = {KNOB: Drawn(low=1e-4, high=1e-2, log=True)}
    for picked, said in ((0, "smallest that was tried"), (3, "lies at the upper end of the range drawn from"), (2, "")):
        sentence = analyse(searched(study, log, points, (1, picked))).sentences["position"]
        assert (said in sentence) if said else "the best lr" not in sentence
    linear = {KNOB: Drawn(low=1e-4, high=1e-2)}
    near = [{KNOB: rate} for rate in (0.0002, 0.0009, 0.004, 0.0095)]
    assert "0.0009, lies at the lower end" in analyse(searched(study, linear, near, (2, 1))).sentences["position"]
    assert "the best lr" not in analyse(searched(study, log, near, (2, 1))).sentences["position"]


def test_what_tuning_took_stands_in_the_report(study) -> None:
    points = [{KNOB: rate} for rate in (0.001, 0.003, 0.01)]
    found = searched(study, {KNOB: None}, points, (1, 1), seconds=30.0, training_flops=2e12)
    said = Report(found, analyse(found)).tuning
    assert said.endswith("Tuning took 6 trials, 3 min 00 s and 12.0 T FLOPs.")
    timed = found.trials[0].model_copy(update={"seconds": None, "state": "diverged"})
    some = found.model_copy(update={"trials": [timed, *found.trials[1:]]})
    assert "2 min 30 s (of the 5 that were timed)" in Report(some, analyse(some)).tuning


def test_every_format_has_every_knob(study) -> None:
    points = [{KNOB: lr, DECAY: decay} for lr in (0.001, 0.003) for decay in (0.0, 0.1)]
    found = searched(study, {KNOB: None, DECAY: None}, points, (1, 2))
    files = render(Report(found, analyse(found)))
    assert f"| variant | {KNOB} | {DECAY} | trials done |" in files["report.md"]
    assert "lr = 0.001 (tuned)" in files["report.html"]
    assert "weight_decay = 0.1 (tuned)" in files["report.html"]
    assert f"{KNOB} and {DECAY} were chosen for each variant by 4 trials" in files["report.html"]
    assert "Each point is the best with the other knobs." in files["report.html"]


def test_results_that_name_one_knob_are_read_as_several(study, tmp_path) -> None:
    found = searched(study, {KNOB: None}, [{KNOB: 0.001}, {KNOB: 0.003}], (0, 1))
    old = found.model_dump(mode="json")
    old["tuned_knob"] = KNOB
    del old["tuned_knobs"]
    for trial in old["trials"]:
        trial["value"] = trial.pop("values")[KNOB]
    assert Results.model_validate(old) == found
    assert Results.model_validate({**old, "tuned_knob": None, "trials": []}).tuned_knobs == {}


def test_an_interval_has_what_one_choice_for_all_runs_leaves_open_and_that_of_own_choices_need_not(study) -> None:
    values = {"base": BASE, "position=a": OTHER}
    shared = tuned(study, {"base": 0.003, "position=a": 0.003}, [0.001, 0.003, 0.01])
    own = shared.model_copy(
        update={
            "trials": [t.model_copy(update={"chooses": s, "seed": 10_000 + s}) for t in shared.trials for s in range(5)]
        }
    )
    plain = study(values, 0.01)
    wide, narrow, untuned = (analyse(one).contrasts[0] for one in (shared, own, plain))
    assert (narrow.low, narrow.high, narrow.p_adjusted) == (untuned.low, untuned.high, untuned.p_adjusted)
    factor = SharedChoice(seeds=1, among=3).widening(5)
    assert wide.high - wide.low == pytest.approx(factor * (narrow.high - narrow.low))
    assert wide.detectable == pytest.approx(factor * narrow.detectable)
    assert wide.p > narrow.p
    assert wide.seeds_needed is None
    # Both parts of the interval, in squares: what seeds scatter, and the choice.
    assert wide.tuning_error**2 + wide.sd**2 / 5 == pytest.approx((factor * wide.sd) ** 2 / 5)
    assert narrow.tuning_error is None


def test_a_secondary_metric_is_judged_with_intervals_as_wide(study) -> None:
    found = tuned(study, {"base": 0.003, "position=a": 0.003}, [0.001, 0.003, 0.01])
    found = found.model_copy(update={"secondary": {"again": found.metric}})
    assert found.by("again").trials == []
    assert found.by("again").shared_choice == found.shared_choice == SharedChoice(seeds=1, among=3)
    assert "chosen_by" not in found.by("again").model_dump()


def test_what_each_seed_chose_for_itself_stands_in_report_and_tables(study) -> None:
    found = tuned(study, {"base": 0.003, "position=a": 0.003}, [0.001, 0.003, 0.01])
    trials = [t.model_copy(update={"chooses": s, "seed": 10_000 + s}) for t in found.trials for s in range(5)]
    outcomes = [
        o.model_copy(update={"tuned": {KNOB: 0.01 if o.seed == 4 and o.variant != "base" else 0.003}})
        for o in found.outcomes
    ]
    found = found.model_copy(update={"trials": trials, "outcomes": outcomes})
    report = Report(found, analyse(found))
    files = render(report)
    assert "lr = 0.003 (tuned, by 4 of 5 seeds)" in files["report.html"]
    assert "chosen by 4 seeds" in files["report.md"]
    assert "by 15 trials that each of its 5 seeds has for itself, on the valid split" in report.tuning
    head, rows = table("runs", found, analyse(found))
    assert [row[head.index(f"tuned.{KNOB}")] for row in rows] == [0.003] * 9 + [0.01]
    head, rows = table("trials", found, analyse(found))
    assert sum(row[head.index("chosen")] == "yes" for row in rows) == 10
