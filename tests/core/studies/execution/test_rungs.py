"""A run that stops at rungs, is measured there, and goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from partwise.errors import InputError
from partwise.runs.run import Run
from partwise.studies.execution.execute import execute, known_results
from partwise.studies.execution.jobs import Job, JobResult, read_result, write_result
from partwise.studies.execution.measuring import train_and_measure

TRAINER = {
    "schedule": {"use": "warmup_cosine", "warmup": 2},
    "optimizer": {"use": "adamw", "lr": 0.01},
    "evaluate_every": 3,
}


def at(job: Job, until: int | None) -> Job:
    return job.model_copy(update={"until": until})


def trained(job: Job, directory: Path) -> JobResult:
    result = train_and_measure(job, directory, lambda progress: None)
    write_result(directory, result)
    return result


def test_a_run_that_was_stopped_at_rungs_and_went_on_equals_one_that_never_stopped_to_the_bit(
    make_job: Callable[..., Job], tmp_path: Path
) -> None:
    job = make_job(3, steps=8, trainer=TRAINER)
    plain = trained(job, tmp_path / "plain")
    halted = tmp_path / "halted"
    rungs = [trained(at(job, until), halted) for until in (2, 5)]
    assert [Run.open(halted).step, Run.open(halted).finished] == [5, False]
    last = trained(job, halted)
    facts = {"metric", "stretches", "curve", "tokens", "state"}
    assert last.model_dump(include=facts) == plain.model_dump(include=facts)
    weights = [next((tmp_path / name).glob("*.safetensors")).read_bytes() for name in ("plain", "halted")]
    assert weights[0] == weights[1]
    assert [one.until for one in rungs] == [2, 5]
    assert rungs[0].metric != rungs[1].metric != last.metric
    assert rungs[0].seconds is not None
    assert rungs[1].seconds is not None
    assert last.seconds is not None
    assert rungs[0].seconds < rungs[1].seconds < last.seconds, "each has the time of those before"


def test_a_run_that_was_killed_before_it_was_measured_at_a_rung_trains_no_further(
    make_job: Callable[..., Job], tmp_path: Path
) -> None:
    job = at(make_job(0, steps=8, trainer=TRAINER), 4)
    first = trained(job, tmp_path)
    (tmp_path / "result-4.json").unlink()
    again = trained(job, tmp_path)
    assert (again.metric, Run.open(tmp_path).step) == (first.metric, 4)


def test_the_results_of_rungs_and_of_the_end_are_kept_apart(
    make_job: Callable[..., Job], in_this_process, tmp_path: Path
) -> None:
    job = make_job(0, steps=6, trainer=TRAINER)
    execute([at(job, 2)], in_this_process, tmp_path)
    assert read_result(tmp_path / job.identity) is None
    assert list(known_results([job, at(job, 2)], tmp_path)) == [f"{job.identity}@2"]
    execute([job], in_this_process, tmp_path)
    assert sorted(known_results([job, at(job, 2)], tmp_path)) == [job.identity, f"{job.identity}@2"]


def test_a_run_that_is_finished_cannot_be_measured_at_a_rung(make_job: Callable[..., Job], tmp_path: Path) -> None:
    job = make_job(0, steps=6, trainer=TRAINER)
    trained(job, tmp_path)
    with pytest.raises(InputError, match="cannot stop after 2 updates"):
        trained(at(job, 2), tmp_path)


def test_a_run_that_diverges_before_a_rung_says_so_there(make_job: Callable[..., Job], tmp_path: Path) -> None:
    trainer = {**TRAINER, "optimizer": {"use": "adam", "lr": 1e38}, "schedule": "constant"}
    result = trained(at(make_job(0, steps=6, trainer=trainer), 3), tmp_path)
    assert (result.state, result.until) == ("diverged", 3)
