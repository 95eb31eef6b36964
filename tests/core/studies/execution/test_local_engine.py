"""The local engine on real processes: what happens to one run harms no other, and is reported as what it is."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partwise.runs import Run
from partwise.studies.execution import worker
from partwise.studies.execution.execute import execute, known_results
from partwise.studies.execution.jobs import JOB, RESULT, Job, JobResult, read_result
from partwise_engines.local import LocalEngine
from partwise_engines.parts import Local

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes as Linux shows them")


class Study:
    """A study of jobs of which some meet with mishaps, and all that is known of it afterwards."""

    def __init__(self, pool: Path, make_job: Callable[..., Job], notes: Any) -> None:
        self.pool, self.notes = pool, notes
        self.jobs = [
            make_job(0),
            make_job(0, "hang", timeout=2),
            make_job(0, "memory", memory=900_000_000),
            make_job(1),
            make_job(0, "raise", retries=1),
            make_job(0, "refuse"),
            make_job(0, "kill"),
            make_job(0, "exit"),
            make_job(0, "chatter"),
            make_job(0, "child"),
            make_job(7, identity="wild", trainer={"optimizer": {"use": "sgd", "lr": 1e38}, "clip": None}),
            make_job(8, identity="absurd", metric={"name": "beauty", "split": "valid", "goal": "max"}),
            make_job(2, memory=2_000_000_000, threads=1),
            make_job(3, identity="exact", metric={"name": "accuracy", "split": "test", "goal": "max"}),
        ]
        self.results = execute(self.jobs, LocalEngine(2), pool, notes)

    def __getitem__(self, identity: str) -> JobResult:
        return self.results[identity]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, make_job: Any, take_notes: Any) -> Study:
    return Study(tmp_path_factory.mktemp("pool"), make_job, take_notes())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, make_job: Any, in_this_process: Any) -> dict[str, JobResult]:
    jobs = [make_job(seed) for seed in range(3)]
    return execute(jobs, in_this_process, tmp_path_factory.mktemp("calm"))


def test_runs_beside_the_mishaps_come_out_as_if_they_were_alone(study: Study, undisturbed: Any) -> None:
    for identity, calm in undisturbed.items():
        assert study[identity].state == "done"
        assert study[identity].metric == calm.metric
        assert study[identity].curve == calm.curve
    assert len({calm.metric for calm in undisturbed.values()}) == 3  # seeds differ, so the above says something


def test_a_result_holds_the_metric_of_the_trained_model(study: Study) -> None:
    from partwise import workflow

    measured = workflow.evaluate(workflow.reopen(study.pool / "fine0"), "valid")
    assert study["fine0"].metric == pytest.approx(measured.loss, rel=1e-6)
    assert [step for step, _ in study["fine0"].curve] == [0, 5]


def test_a_metric_may_be_the_accuracy(study: Study) -> None:
    from partwise import workflow

    measured = workflow.evaluate(workflow.reopen(study.pool / "exact"), "test")
    assert 0 < measured.accuracy == study["exact"].metric < 1


def test_the_directory_of_a_job_is_an_ordinary_run(study: Study) -> None:
    run = Run.open(study.pool / "fine0")
    assert run.finished
    assert study["fine0"].directory == study.pool / "fine0"
    assert {JOB, RESULT, "output.log"} <= {path.name for path in run.directory.iterdir()}
    assert Job.model_validate(json.loads((run.directory / JOB).read_text())) == study.jobs[0]


def test_a_run_that_hangs_ends_when_its_time_is_up(study: Study) -> None:
    assert (study["hang0"].state, study["hang0"].error) == ("failed", "timed out after 2 s")


def test_a_run_that_exhausts_its_memory_is_reported_as_such(study: Study) -> None:
    assert (study["memory0"].state, study["memory0"].error) == ("failed", "out of memory (cap 0.9 GB)")


def test_a_run_that_raises_shows_what_it_raised(study: Study) -> None:
    result = study["raise0"]
    assert (result.state, result.error) == ("failed", "ZeroDivisionError: so it goes")
    assert result.output is not None
    assert "mishaps.py" in result.output
    assert result.output.endswith("with a second line")


def test_an_error_meant_for_people_is_reported_as_it_is(study: Study) -> None:
    assert study["refuse0"].error == "this cannot work"


def test_a_run_that_is_killed_names_the_signal(study: Study) -> None:
    assert study["kill0"].state == "failed"
    assert str(study["kill0"].error).startswith("killed by signal 9 (SIGKILL)")


def test_a_run_that_leaves_without_a_word_names_the_exit_code(study: Study) -> None:
    result = study["exit0"]
    assert result.error == "its process ended with exit code 3 and without a result"
    assert str(result.output).endswith("the last thing it said")


def test_only_the_end_of_much_output_is_kept(study: Study) -> None:
    lines = str(study["chatter0"].output).splitlines()
    assert len(lines) == 40
    assert lines[-1] == "ZeroDivisionError"
    assert "line 999" in str(study.pool.joinpath("chatter0", "output.log").read_text())
    assert not {"line 0", "line 950"} & set(lines)


def test_what_a_run_has_started_ends_with_it(study: Study) -> None:
    assert study["child0"].error == "ZeroDivisionError"
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in lines if line == b"sleep\x003599\x00"]


def test_a_run_that_diverges_has_not_failed(study: Study) -> None:
    result = study["wild"]
    assert (result.state, result.metric) == ("diverged", None)
    assert "diverged" in str(result.error)
    assert study.notes.of("started").count("wild") == 1


def test_an_unknown_metric_names_those_there_are(study: Study) -> None:
    assert "'beauty'" in str(study["absurd"].error)
    assert "perplexity" in str(study["absurd"].error)


def test_a_failure_is_tried_again_as_declared(study: Study, starts: Any) -> None:
    assert study["raise0"].attempts == 2
    assert starts(study.pool / "raise0") == 2
    assert study.notes.of("again") == ["raise0"]
    assert study["refuse0"].attempts == starts(study.pool / "refuse0") == 1


def test_each_job_ends_once_and_all_are_reported(study: Study) -> None:
    assert sorted(study.notes.of("finished")) == sorted(job.identity for job in study.jobs)
    assert list(study.results) == [job.identity for job in study.jobs]
    assert {one.identity for one in study.notes.progressed} >= {"fine0", "fine1", "fine2"}
    assert [one.step for one in study.notes.progressed if one.identity == "fine0"][-1] == 5


def test_the_pool_alone_holds_all_results(study: Study) -> None:
    assert known_results(study.jobs, study.pool) == study.results
    assert read_result(study.pool / "nobody") is None


def test_a_second_time_nothing_is_done(study: Study, notes: Any) -> None:
    class Idle:
        def run(self, jobs: Any, place: Path, report: Any) -> Any:
            assert list(jobs) == []
            yield from ()

    assert execute(study.jobs, Idle(), study.pool, notes) == study.results
    assert notes.known == study.results
    assert notes.events == []


def test_slots_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("partwise_engines.local.cores", lambda: 8)
    assert LocalEngine(2).threads == 4
    assert LocalEngine(3).threads == 2
    assert LocalEngine(16).threads == 1


def test_there_are_as_many_slots_as_cores_up_to_four(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, slots in ((1, 1), (2, 2), (64, 4)):
        monkeypatch.setattr("partwise.studies.execution.engine.cores", lambda cores=cores: cores)
        assert Local().build(None) == LocalEngine(slots)
    assert Local(slots=7).build(None) == LocalEngine(7)


def test_where_a_process_cannot_be_forked_a_job_has_a_fresh_one(
    tmp_path: Path, make_job: Callable[..., Job], undisturbed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS; and where a library has started threads."""
    monkeypatch.setattr(worker, "_context", lambda: multiprocessing.get_context("spawn"))
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent / "installed"), *sys.path])  # a fresh one inherits it
    orders, hold = os.pipe()
    reported: list[Any] = []
    try:
        fine = worker.attend(make_job(0), tmp_path / "fine", reported.append, orders)
        raising = worker.attend(make_job(0, "raise"), tmp_path / "raise", reported.append, orders)
    finally:
        os.close(orders)
        os.close(hold)
    assert (fine.state, fine.metric) == ("done", undisturbed["fine0"].metric)
    assert reported[-1].step == 5
    assert raising.error == "ZeroDivisionError: so it goes"
