"""The floor: what a model reaches that knows only how frequent each token is."""

from __future__ import annotations

import pytest

from partwise.studies.analysis import analyse
from partwise.studies.report import render
from partwise.studies.report.report import Report
from partwise.studies.results import Metric, Results
from partwise.studies.tables import table

BASE = [2.000, 2.030, 1.985, 2.012, 1.991]
ALIKE = [2.001, 2.029, 1.986, 2.011, 1.990]


def on(results: Results, floor: float | dict[str, float], metric: Metric | None = None) -> Results:
    floors = floor if isinstance(floor, dict) else {v.name: floor for v in results.variants}
    variants = [v.model_copy(update={"floor": floors.get(v.name)}) for v in results.variants]
    return results.model_copy(update={"variants": variants, "metric": metric or results.metric})


@pytest.fixture
def alike(study) -> Results:
    return study({"base": BASE, "position=a": ALIKE}, smallest_effect=0.01)


@pytest.mark.parametrize(
    ("floor", "verdict"), [(2.5, "equivalent"), (2.02, "equivalent"), (2.01, "inconclusive"), (1.5, "inconclusive")]
)
def test_models_that_have_not_left_the_floor_are_not_called_equivalent(
    alike: Results, floor: float, verdict: str
) -> None:
    """Their means are 2.004: the floor is left by the smallest effect, 0.01, where it is above 2.014."""
    found = analyse(on(alike, floor))
    (contrast,) = found.contrasts
    assert contrast.verdict == verdict
    assert contrast.p_equivalent is not None
    assert contrast.p_equivalent < 0.001, "which is what it would be called by its figures"
    withheld = verdict == "inconclusive"
    assert ("no more than how frequent each token is" in found.sentences["position"]) == withheld
    assert any(note.kind == "floor" and "base, position=a" in note.text for note in found.notes) == withheld


def test_one_side_that_has_learned_is_enough(alike: Results) -> None:
    found = analyse(on(alike, {"base": 1.5, "position=a": 2.5}))
    assert found.contrasts[0].verdict == "equivalent"
    assert any("On the floor: base." in note.text for note in found.notes)


@pytest.mark.parametrize(("goal", "floor", "verdict"), [("max", 0.3, "equivalent"), ("max", 0.5, "inconclusive")])
def test_of_accuracy_the_floor_lies_below(study, goal: str, floor: float, verdict: str) -> None:
    results = study({"base": [0.5, 0.52, 0.49], "position=a": [0.5, 0.52, 0.489]}, 0.02, goal)
    metric = results.metric.model_copy(update={"name": "accuracy"})
    assert analyse(on(results, floor, metric)).contrasts[0].verdict == verdict


def test_better_on_the_floor_stays_better_and_the_floor_is_said(study) -> None:
    found = analyse(on(study({"base": BASE, "position=a": [v - 0.1 for v in BASE]}, 0.01), 1.5))
    assert found.contrasts[0].verdict == "better"
    assert any(note.kind == "floor" for note in found.notes)


def test_results_that_know_no_floor_are_judged_as_before(alike: Results) -> None:
    assert analyse(alike).contrasts[0].verdict == "equivalent"


@pytest.mark.parametrize("floor", [2.5, {"base": 2.5, "position=a": 2.75}])
def test_every_report_shows_the_floor(alike: Results, floor: float | dict[str, float]) -> None:
    results = on(alike, floor)
    files = render(Report(results, analyse(results)))
    for name in ("report.html", "report.md", "table.tex"):
        assert "Floor of bits per byte (valid)" in files[name]
        assert "unigram entropy" in files[name]
        assert "2.500" in files[name]
        assert ("2.750" in files[name]) == isinstance(floor, dict)
    head, rows = table("variants", results, analyse(results))
    assert rows[0][head.index("floor")] == 2.5
