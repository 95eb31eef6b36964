"""What is measured of a run that was trained to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from partwise.studies.execution.jobs import Asked, Job, JobResult, Measured
from partwise.studies.execution.measuring import train_and_measure
from partwise.studies.results import Metric

ACCURACY = Metric(name="accuracy", split="valid", goal="max", batches=2)


def rate(value: float) -> dict[str, object]:
    return {"optimizer": {"use": "adam", "lr": value}}


def test_the_accuracy_is_a_share(make_job: Callable[..., Job], tmp_path: Path) -> None:
    result = train_and_measure(
        make_job(0, trainer=rate(1e-3), metric=ACCURACY), tmp_path / "run", lambda progress: None
    )
    assert result.state == "done"
    assert result.metric is not None
    assert 0 <= result.metric <= 1


@pytest.mark.parametrize("metric", [ACCURACY, Metric(name="loss", split="valid", goal="min", batches=2)])
def test_a_model_whose_last_update_was_too_large_has_diverged_whatever_is_measured(
    make_job: Callable[..., Job], tmp_path: Path, metric: Metric
) -> None:
    job = make_job(0, steps=1, trainer=rate(1e38), metric=metric)
    result = train_and_measure(job, tmp_path / "run", lambda progress: None)
    assert (result.state, result.metric) == ("diverged", None)


@pytest.mark.parametrize("name", ["loss", "perplexity", "bits_per_byte", "accuracy"])
def test_the_stretches_of_the_text_have_the_metric_as_their_mean(
    make_job: Callable[..., Job], tmp_path: Path, name: str
) -> None:
    metric = Metric(name=name, split="valid", goal="min")
    result = train_and_measure(make_job(0, trainer=rate(1e-3), metric=metric), tmp_path / "run", lambda progress: None)
    assert 1 < len(result.stretches) <= 50
    total = sum(tokens for tokens, _ in result.stretches)
    assert sum(tokens * value for tokens, value in result.stretches) / total == pytest.approx(result.metric, rel=1e-6)


def test_a_result_answers_only_what_was_measured(make_job: Callable[..., Job]) -> None:
    metric = Metric(name="loss", split="valid", goal="min", member="one")
    job = make_job(0, metric=metric)
    result = JobResult(identity=job.identity, state="done", metric=1.0, measured=metric)
    assert result.answers(job)
    assert result.answers(job.model_copy(update={"metric": metric.model_copy(update={"smallest_effect": 0.1})}))
    assert not result.answers(job.model_copy(update={"metric": metric.model_copy(update={"member": "other"})}))
    asked = Asked(metric=ACCURACY)
    more = job.model_copy(update={"also": [asked]})
    assert not result.answers(more)
    full = result.model_copy(update={"figures": [Measured(metric=ACCURACY)]})
    assert full.answers(more)
    assert full.answers(job)
    assert not full.answers(job.model_copy(update={"also": [asked.model_copy(update={"judged_by": "others"})]}))
