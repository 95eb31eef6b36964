"""The Dask engine on a real scheduler and two real workers, over TCP on this machine's loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from partwise import InputError, WorkError
from partwise.studies.execution.execute import execute
from partwise.studies.execution.jobs import Job, JobProgress
from partwise_engines.dask_engine import DaskEngine
from partwise_engines.parts import Dask

pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="ends whole groups of processes")


class Cluster:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.processes: list[subprocess.Popen[bytes]] = []
        log = self._start("scheduler", "dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        self.address = self._wait_for(r"Scheduler at:\s+(tcp://\S+)", log)

    def add_worker(self) -> subprocess.Popen[bytes]:
        log = self._start(f"worker{len(self.processes)}", "dask_worker", self.address, "--nthreads", "1", "--no-nanny")
        self._wait_for(r"Registered to:\s+(tcp://\S+)", log)
        return self.processes[-1]

    def _start(self, name: str, module: str, *arguments: str) -> Path:
        log = self.place / f"{name}.log"
        command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"]
        if module == "dask_worker":
            command += ["--local-directory", str(self.place / name)]
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True, cwd=self.place)
        self.processes.append(process)
        return log

    def _wait_for(self, pattern: str, log: Path) -> str:
        end = time.monotonic() + 300
        while not (found := re.search(pattern, log.read_text())):
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        return found[1]

    def close(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        running.add_worker()
        yield running
    finally:
        running.close()


def test_a_worker_that_dies_costs_nothing_but_time(
    cluster: Cluster, make_job: Callable[..., Job], notes: Any, starts: Any, in_this_process: Any, tmp_path: Path
) -> None:
    doomed = cluster.add_worker()
    long = [make_job(seed, steps=250, trainer={"checkpoint_every": 20}) for seed in range(3)]
    jobs = [*long, make_job(0, "raise"), make_job(3), make_job(4), make_job(0, "hang", timeout=2)]
    seen: set[str] = set()

    def kill_it(progress: JobProgress) -> None:
        notes.progressed.append(progress)
        seen.add(progress.identity)
        if len(seen) == 2:  # both workers are in the middle of something
            doomed.send_signal(signal.SIGKILL)

    notes.progress = kill_it
    results = execute(jobs, DaskEngine(cluster.address), tmp_path / "pool", notes)
    assert doomed.wait(10) == -signal.SIGKILL
    assert {name: result.state for name, result in results.items()} == {
        **{f"fine{seed}": "done" for seed in range(5)},
        "raise0": "failed",
        "hang0": "failed",
    }
    assert (results["raise0"].error, results["hang0"].error) == (
        "ZeroDivisionError: so it goes",
        "timed out after 2 s",
    )
    assert sorted(notes.of("finished")) == sorted(notes.of("started")) == sorted(job.identity for job in jobs)
    assert {result.attempts for result in results.values()} == {1}  # that a worker dies is not the job's failure
    # One more start than there are jobs: the one that the worker took with it, and that went on from its checkpoint.
    assert sum(starts(tmp_path / "pool" / job.identity) for job in jobs) == len(jobs) + 1
    alone = execute(long, in_this_process, tmp_path / "alone")
    assert [results[name].metric for name in alone] == [result.metric for result in alone.values()]
    assert [results[name].curve for name in alone] == [result.curve for result in alone.values()]


def test_results_arrive_without_a_common_disk(cluster: Cluster, make_job: Callable[..., Job], tmp_path: Path) -> None:
    elsewhere = tmp_path / "not there for the workers"  # nothing is written there beforehand, as if it were not seen
    reported: list[JobProgress] = []
    jobs = [make_job(0), make_job(0, "raise")]
    fine, raising = sorted(DaskEngine(cluster.address).run(jobs, elsewhere, reported.append), key=lambda one: one.state)
    assert not elsewhere.exists()
    assert fine.state == "done"
    assert fine.metric is not None
    assert [step for step, _ in fine.curve] == [0, 5]
    assert fine.directory is None
    assert "so it goes" in str(raising.output)
    assert reported[-1].identity == fine.identity


def test_a_study_that_is_gone_leaves_no_run_behind(
    cluster: Cluster, make_job: Callable[..., Job], tmp_path: Path
) -> None:
    class EnoughError(Exception):
        pass

    def stop(progress: JobProgress) -> None:
        raise EnoughError

    (tmp_path / "endless0").mkdir()
    endless = make_job(0, steps=1_000_000, identity="endless0")
    with pytest.raises(EnoughError):
        list(DaskEngine(cluster.address).run([endless], tmp_path, stop))
    # The only worker is free again: it does the next job.
    assert [one.state for one in DaskEngine(cluster.address).run([make_job(1)], tmp_path, lambda _: None)] == ["done"]


def test_a_job_that_costs_three_workers_is_given_up(make_job: Callable[..., Job]) -> None:
    from concurrent.futures import Future

    from partwise_engines import dask_engine

    class Client:
        """Of a cluster whose every worker dies of its first job."""

        def __init__(self) -> None:
            self.workers = 0

        def nthreads(self) -> dict[str, int]:
            self.workers += 1
            return {f"tcp://worker{self.workers}": 4}

        def submit(self, *arguments: Any, workers: list[str], allow_other_workers: bool, **others: Any) -> Future[str]:
            assert (workers, allow_other_workers) == ([f"tcp://worker{self.workers}"], False)
            return Future()

        def cancel(self, futures: Any) -> None: ...
        def run(self, function: Any, on_error: str) -> None: ...
        def subscribe_topic(self, topic: str, handler: Any) -> None: ...
        def unsubscribe_topic(self, topic: str) -> None: ...

    engine = DaskEngine("tcp://nowhere:1")
    jobs = iter([make_job(0)])
    (result,) = dask_engine._Dispatch(engine, Client(), jobs, Path("pool"), lambda _: None).results()
    assert (result.state, result.error) == ("failed", "lost 3 Dask workers, the last at tcp://worker3")


def test_a_scheduler_without_workers_is_an_error(tmp_path: Path, make_job: Callable[..., Job]) -> None:
    empty = Cluster(tmp_path)
    late = Timer(300, empty.close)
    late.start()
    try:
        with pytest.raises(WorkError, match="has no workers"):
            list(DaskEngine(empty.address, patience=1).run([make_job(0)], tmp_path, lambda _: None))
    finally:
        late.cancel()
        empty.close()


def test_no_scheduler_at_the_address_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        list(DaskEngine("tcp://127.0.0.1:9", patience=0.5).run([], tmp_path, lambda _: None))
    with pytest.raises(InputError, match="no Dask scheduler answers at nonsense://x"):
        list(DaskEngine("nonsense://x").run([], tmp_path, lambda _: None))


def test_without_its_library_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    engine = Dask(address="tcp://127.0.0.1:8786").build(None)
    with pytest.raises(InputError, match=r"pip install 'partwise\[dask\]'"):
        list(engine.run([], tmp_path, lambda _: None))
