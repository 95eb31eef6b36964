"""Studies that compare a figure of an evaluation: what is asked, planned and measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import partwise
from partwise import RecipeError
from partwise.studies.definition.reading import load_study
from partwise.studies.execution.measuring import train_and_measure
from partwise.studies.planning.plan import Plan, make_plan

LINES = [{"prompt": "the quick", "choices": ["brown fox", "lazy dog"], "answer": number % 2} for number in range(4)]


@pytest.fixture
def planned(here: Path, recipe: dict[str, Any]) -> Any:
    """Makes the plan of a study of base.json by a metric; the evaluation's file is in another directory."""

    def make(objective: str | None = None, **metric: Any) -> Plan:
        (here / "tasks").mkdir(exist_ok=True)
        cloze = {"use": "choices", "file": "cloze.jsonl", "every": 1}
        other = {"use": "text", "files": ["*.jsonl"], "field": "prompt"}
        (here / "tasks" / "base.json").write_text(json.dumps({"evaluations": {"cloze": cloze, "other": other}}))
        (here / "tasks" / "cloze.jsonl").write_text("\n".join(map(json.dumps, LINES)))
        whole = json.loads((here / "base.json").read_text()) | {"extends": "tasks/base.json"}
        (here / "judged.json").write_text(json.dumps(whole))
        factors = {"width": {"at": "model.width", "values": [16, 8]}}
        if objective:
            factors["objective"] = {"at": "objective", "values": [objective]}
        study = {"partwise": 1, "name": "s", "base": "judged.json", "factors": factors, "seeds": 3, "metric": metric}
        return make_plan(load_study(study))

    return make


def test_the_job_is_measured_by_the_evaluation_and_its_curve_is_that_of_training(planned: Any, here: Path) -> None:
    (job, *_) = planned(name="cloze.accuracy").jobs()
    assert (job.metric.goal, job.metric.label) == ("max", "cloze.accuracy")
    assert job.judges["cloze"] == here / "tasks"
    result = train_and_measure(job, here / "run", lambda progress: None)
    assert result.state == "done"
    assert result.metric == partwise.judge(here / "run", "cloze", say=None)["cloze.accuracy"].figure.value
    assert [step for step, _ in result.curve] == [1, 2]
    assert result.answers(job)


def test_another_file_is_another_question_and_the_same_run(planned: Any, here: Path) -> None:
    (job, *_) = planned(name="cloze.accuracy").jobs()
    (here / "tasks" / "cloze.jsonl").write_text(json.dumps(LINES[0]))
    LINES.append(LINES[0])
    (again, *_) = planned(name="cloze.accuracy").jobs()
    LINES.pop()
    assert job.identity == again.identity
    assert job.judged_by != again.judged_by


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ({"name": "cloze.acuracy"}, "cloze has no 'acuracy', did you mean 'cloze.accuracy'"),
        ({"name": "close.accuracy"}, "the base recipe has no evaluation 'close', did you mean 'cloze.accuracy'"),
        (
            {"name": "cloze.accuracy", "split": "test"},
            "is measured on what the evaluation 'cloze' reads, so that split",
        ),
        ({"name": "acuracy"}, "unknown metric 'acuracy', did you mean 'accuracy'"),
    ],
)
def test_a_metric_that_there_is_not_is_refused(metric: dict[str, Any], words: str, planned: Any) -> None:
    with pytest.raises(RecipeError, match=words):
        planned(**metric)


def test_a_variant_that_cannot_be_judged_is_refused_before_anything_is_trained(planned: Any) -> None:
    with pytest.raises(RecipeError, match=r"'text' cannot judge this model[\s\S]*in variant objective=prefix"):
        planned("prefix", name="cloze.accuracy")
