"""A study whose process is killed again and again ends with the table of one that was left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partwise.studies.execution.execute import execute, known_results
from partwise.studies.execution.jobs import Job, JobResult
from partwise_engines.local import LocalEngine

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes as Linux shows them")

STUDY = Path(__file__).with_name("study.py")
AFTER_A_RUN = (3, 7)


def workers_in(pool: Path) -> list[str]:
    """The processes that do jobs in this pool."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except OSError:
            continue
        if "partwise.studies.execution.worker" in words and str(pool) in words:
            found.append(path.parent.name)
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


def table(results: dict[str, JobResult]) -> Any:
    return {name: (one.state, one.metric, one.curve, one.attempts) for name, one in results.items()}


@pytest.mark.parametrize(
    ("most", "count", "steps"),
    [(2, 2, 600), pytest.param(10, 6, 1200, marks=pytest.mark.exhaustive)],
    ids=["2 kills", "10 kills"],
)
def test_kills_change_nothing_and_no_finished_run_is_repeated(
    most: int, count: int, steps: int, tmp_path: Path, make_job: Any, starts: Any, in_this_process: Any
) -> None:
    trainer = {"checkpoint_every": 100, "evaluate_every": 300}
    jobs: list[Job] = [make_job(seed, steps=steps, trainer=trainer) for seed in range(count)]
    (tmp_path / "jobs.json").write_text(json.dumps([job.model_dump(mode="json") for job in jobs]))
    pool = tmp_path / "pool"
    chance, kills, finished = random.Random(5), 0, dict[str, int]()

    def begun() -> int:
        return sum(starts(pool / job.identity) for job in jobs)

    def trained() -> int:
        return sum(path.stat().st_size for path in pool.glob("*/metrics.jsonl"))

    def done() -> int:
        return len(known_results(jobs, pool))

    while done() < count:
        study = subprocess.Popen([sys.executable, str(STUDY), str(pool), str(tmp_path / "jobs.json"), "2"])
        if kills < most:
            if kills % 2:  # in the midst of training, or when a run has just ended; else at any moment of starting
                grows = done if kills in AFTER_A_RUN else trained
                before = grows()
                wait_until(lambda: grows() > before)  # noqa: B023
            time.sleep(chance.uniform(0, 0.15 if kills % 2 else 1.0))
            study.send_signal(signal.SIGKILL)
            assert study.wait(240) == -signal.SIGKILL
            kills += 1
        else:
            assert study.wait(300) == 0
        wait_until(lambda: not workers_in(pool))
        assert {name: starts(pool / name) for name in finished} == finished
        finished = {name: starts(pool / name) for name in known_results(jobs, pool)}
    assert kills == most
    assert begun() > count  # some were interrupted, and went on
    undisturbed = execute(jobs, in_this_process, tmp_path / "calm")
    assert table(known_results(jobs, pool)) == table(undisturbed)
    for job in jobs:
        rows, calm = ((place / job.identity / "metrics.jsonl").read_bytes() for place in (pool, tmp_path / "calm"))
        assert rows == calm


WORKER = "from partwise.studies.execution import worker; worker.GRACE = 300.0; worker.main()"
"""A worker that ends an unwanted job by interrupting it, or not at all: its patience outlasts the test's."""


@pytest.mark.parametrize("disposition", [signal.SIG_DFL, signal.SIG_IGN], ids=["in a terminal", "in the background"])
@pytest.mark.parametrize("moment", ["before it is begun", "as its process starts"])
def test_a_job_that_nobody_wants_any_more_is_not_done(
    moment: str, disposition: signal.Handlers, tmp_path: Path, make_job: Any, starts: Any
) -> None:
    job = make_job(0, steps=1_000_000)  # it never ends by itself, however slow this process is to notice anything
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # Shells have what they start with `&` ignore SIGINT, and processes inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, disposition),
    )
    assert worker.stdin is not None
    worker.stdin.write(job.model_dump_json().encode() + b"\n")
    worker.stdin.flush()
    if moment == "as its process starts":
        wait_until(lambda: (tmp_path / job.identity).exists())
    worker.stdin.close()
    assert worker.wait(240) == 0
    assert not known_results([job], tmp_path)
    if moment == "before it is begun":
        assert not starts(tmp_path / job.identity)


@pytest.mark.parametrize("cluster", [False, True], ids=["alone", "as a cluster does, with SIGTERM to every process"])
def test_closing_a_study_ends_its_runs_with_a_checkpoint(cluster: bool, tmp_path: Path, make_job: Any) -> None:
    from partwise.runs import Run

    job = make_job(0, steps=1_000_000)

    class EnoughError(Exception):
        pass

    def stop(progress: Any) -> None:
        for process in workers_in(tmp_path) if cluster else ():
            os.kill(int(process), signal.SIGTERM)
        raise EnoughError

    engine = LocalEngine(1).run([job], tmp_path, stop)
    with pytest.raises(EnoughError):
        next(engine)
    wait_until(lambda: not workers_in(tmp_path))
    assert Run.open(tmp_path / job.identity).step > 0
