"""What tuning leaves open, and that every format says what was chosen."""

from __future__ import annotations

import csv
import io

import pytest

from partwise.studies.analysis import analyse
from partwise.studies.report import render
from partwise.studies.report.report import Report
from partwise.studies.results import Results, Trial

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
    results = study({"base": BASE, "position=a": OTHER}, 0.01, tuned_knob=KNOB)
    trials = []
    for variant in chosen:
        for value in values:
            state = (states or {}).get(repr(value), "done")
            figure = {"metric": 2.0} if state == "done" else {}
            trials += [Trial(variant=variant, value=value, seed=seed, state=state, **figure) for seed in seeds]
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


def test_one_seed_that_decides_is_said_and_several_are_not_called_one(study) -> None:
    chosen = {"base": 0.003, "position=a": 0.003}
    for seeds, alone in (((1000,), True), ((1000, 1001, 1002), False)):
        results = tuned(study, chosen, [0.001, 0.003, 0.01], seeds=seeds)
        report = Report(results, analyse(results))
        assert ("which alone decides" in report.tuning) == alone
        assert any("One seed (1000) decided" in line for line in report.limits) == alone


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
    for name in ("summary.csv", "results.csv"):
        rows = list(csv.DictReader(io.StringIO(files[name])))
        assert {row[f"tuned.{KNOB}"] for row in rows} == {"0.001", "0.003"}
        assert {row["matched.model.ratio"] for row in rows} == {"", "3.875"}
    for name in ("report.html", "report.md", "table.tex"):
        assert "3.875" in files[name]
        assert "0.003" in files[name]
