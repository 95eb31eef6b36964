"""Who does which job, and how often: on an engine that does nothing but say what the test wants it to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from partwise import WorkError
from partwise.storage.atomic import read_json
from partwise.studies.execution.execute import CLAIMS, execute, known_results
from partwise.studies.execution.jobs import JOB, RESULT, Job, JobProgress, JobResult, read_result, write_result


def done(job: Job) -> JobResult:
    return JobResult(identity=job.identity, state="done", metric=1.5, attempts=job.attempt)


def failed(job: Job) -> JobResult:
    return JobResult(identity=job.identity, state="failed", error="no luck", attempts=job.attempt)


def diverged(job: Job) -> JobResult:
    return JobResult(identity=job.identity, state="diverged", error="too steep", attempts=job.attempt)


class Engine:
    """Says of each job what `outcome` makes of it, one at a time."""

    def __init__(self, outcome: Callable[[Job], JobResult] = done) -> None:
        self.outcome = outcome
        self.given: list[str] = []
        self.closed = 0

    def run(self, jobs: Iterable[Job], place: Path, report: Callable[[JobProgress], None]) -> Iterator[JobResult]:
        try:
            for job in jobs:
                self.given.append(job.identity)
                yield self.outcome(job)
        finally:
            self.closed += 1


@pytest.fixture
def jobs(make_job: Any) -> list[Job]:
    return [make_job(seed) for seed in range(4)]


def names(jobs: Iterable[Job]) -> list[str]:
    return [job.identity for job in jobs]


def test_every_job_is_done_once_and_its_result_kept(jobs: list[Job], tmp_path: Path) -> None:
    engine = Engine()
    results = execute([*jobs, jobs[0]], engine, tmp_path)
    assert engine.given == names(jobs) == list(results)
    assert known_results(jobs, tmp_path) == results
    assert {result.metric for result in results.values()} == {1.5}


@pytest.mark.parametrize("outcome", [done, diverged])
def test_what_is_settled_is_never_done_again(jobs: list[Job], tmp_path: Path, outcome: Any, notes: Any) -> None:
    first = execute(jobs, Engine(outcome), tmp_path)
    engine = Engine(failed)
    assert execute(jobs, engine, tmp_path, notes, retry_failed=True) == first
    assert engine.given == []
    assert notes.known == first


def test_a_failure_is_done_again_only_when_asked(jobs: list[Job], tmp_path: Path) -> None:
    first = execute(jobs, Engine(failed), tmp_path)
    assert {result.state for result in first.values()} == {"failed"}
    engine = Engine()
    assert execute(jobs, engine, tmp_path) == first
    assert engine.given == []
    results = execute(jobs, engine, tmp_path, retry_failed=True)
    assert {(result.state, result.attempts) for result in results.values()} == {("done", 2)}


def test_a_failure_is_tried_as_often_as_the_job_says(jobs: list[Job], tmp_path: Path, notes: Any) -> None:
    stubborn = jobs[0].model_copy(update={"retries": 2})
    engine = Engine(lambda job: failed(job) if job.identity == stubborn.identity else done(job))
    results = execute([stubborn, jobs[1]], engine, tmp_path, notes)
    assert engine.given.count(stubborn.identity) == results[stubborn.identity].attempts == 3
    assert notes.of("again") == [stubborn.identity] * 2
    assert sorted(notes.of("finished")) == sorted(results)
    assert notes.of("started").count(stubborn.identity) == 3
    # Asked again by hand, it has as many attempts as in the first place; the earlier ones still count.
    assert execute([stubborn], engine, tmp_path, retry_failed=True)[stubborn.identity].attempts == 6
    assert execute([stubborn], engine, tmp_path)[stubborn.identity].attempts == 6


def test_attempts_left_over_by_a_killed_study_are_made(jobs: list[Job], tmp_path: Path) -> None:
    stubborn = jobs[0].model_copy(update={"retries": 1})
    (tmp_path / stubborn.identity).mkdir()
    write_result(tmp_path / stubborn.identity, failed(stubborn))
    results = execute([stubborn], Engine(), tmp_path)
    assert (results[stubborn.identity].state, results[stubborn.identity].attempts) == ("done", 2)


def test_a_damaged_result_is_made_again(jobs: list[Job], tmp_path: Path) -> None:
    execute(jobs, Engine(), tmp_path)
    (tmp_path / jobs[1].identity / RESULT).write_text('{"identity": "fi')
    (tmp_path / jobs[2].identity / RESULT).write_text('{"identity": 3}')
    engine = Engine()
    execute(jobs, engine, tmp_path)
    assert engine.given == names(jobs[1:3])


def test_a_job_stands_in_its_directory_before_it_is_done(jobs: list[Job], tmp_path: Path) -> None:
    def outcome(job: Job) -> JobResult:
        assert Job.model_validate(read_json(tmp_path / job.identity / JOB)) == job
        return done(job)

    execute(jobs, Engine(outcome), tmp_path)


def test_results_survive_that_the_pool_is_moved(jobs: list[Job], tmp_path: Path) -> None:
    (tmp_path / "old" / jobs[0].identity).mkdir(parents=True)
    (tmp_path / "old" / jobs[0].identity / "recipe.json").write_text("{}")
    execute(jobs[:1], Engine(), tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    result = read_result(tmp_path / "new" / jobs[0].identity)
    assert result is not None
    assert result.directory == tmp_path / "new" / jobs[0].identity
    assert str(tmp_path) not in (tmp_path / "new" / jobs[0].identity / RESULT).read_text()


def test_a_result_that_comes_twice_counts_once(jobs: list[Job], tmp_path: Path, notes: Any) -> None:
    class Stammering(Engine):
        def run(self, jobs: Any, place: Path, report: Any) -> Iterator[JobResult]:
            for result in super().run(jobs, place, report):
                yield result
                yield result

    execute(jobs, Stammering(), tmp_path, notes)
    assert notes.of("finished") == names(jobs)


def test_an_engine_that_gives_no_result_for_a_job_is_found_out(jobs: list[Job], tmp_path: Path) -> None:
    class Silent(Engine):
        def run(self, jobs: Any, place: Path, report: Any) -> Iterator[JobResult]:
            for job in jobs:
                if job.identity != "fine2":
                    yield done(job)

    with pytest.raises(WorkError, match="gave no result for fine2"):
        execute(jobs, Silent(), tmp_path)
    assert list(known_results(jobs, tmp_path)) == ["fine0", "fine1", "fine3"]


def test_an_interrupt_closes_the_engine_and_gives_the_jobs_free(jobs: list[Job], tmp_path: Path) -> None:
    def interrupted(job: Job) -> JobResult:
        if job.identity == "fine1":
            raise KeyboardInterrupt
        return done(job)

    engine = Engine(interrupted)
    with pytest.raises(KeyboardInterrupt):
        execute(jobs, engine, tmp_path)
    assert engine.closed == 1
    again = Engine()
    execute(jobs, again, tmp_path)
    assert again.given == names(jobs[1:])


def test_a_job_is_asked_for_only_when_the_engine_has_room(jobs: list[Job], tmp_path: Path, notes: Any) -> None:
    execute(jobs, Engine(), tmp_path, notes)
    assert notes.events == [(event, job.identity) for job in jobs for event in ("started", "finished")]


def test_two_studies_on_one_pool_share_the_work(jobs: list[Job], tmp_path: Path) -> None:
    begun, go_on = Event(), Event()

    def slowly(job: Job) -> JobResult:
        begun.set()
        assert go_on.wait(30)
        return done(job)

    slow, quick = Engine(slowly), Engine()
    outcome: dict[str, Any] = {}
    studies = [Thread(target=lambda: outcome.update(slow=execute(jobs, slow, tmp_path)))]
    studies[0].start()
    assert begun.wait(30)

    def second() -> None:
        outcome["quick"] = execute(jobs, quick, tmp_path)

    studies.append(Thread(target=second))
    studies[1].start()
    studies[1].join(1)
    assert studies[1].is_alive()  # waits for the one job that the first has
    assert quick.given == names(jobs[1:])
    go_on.set()
    for study in studies:
        study.join(30)
    assert slow.given == names(jobs[:1])
    assert outcome["slow"] == outcome["quick"] == known_results(jobs, tmp_path)


def test_what_a_dead_study_had_taken_is_free(jobs: list[Job], tmp_path: Path) -> None:
    (tmp_path / CLAIMS).mkdir()
    (tmp_path / CLAIMS / jobs[0].identity).touch()
    assert list(execute(jobs, Engine(), tmp_path)) == names(jobs)


def test_a_pool_that_cannot_be_made_is_an_error(jobs: list[Job], tmp_path: Path) -> None:
    (tmp_path / "pool").write_text("a file")
    with pytest.raises(WorkError, match="pool"):
        execute(jobs, Engine(), tmp_path / "pool")


def test_jobs_and_results_travel_as_json(jobs: list[Job]) -> None:
    assert Job.model_validate_json(jobs[0].model_dump_json()) == jobs[0]
    result = JobResult(identity="a", state="done", metric=0.1 + 0.2, curve=[(0, 1.0), (5, 1 / 3)], directory=Path("x"))
    assert JobResult.model_validate(json.loads(result.model_dump_json())) == result
