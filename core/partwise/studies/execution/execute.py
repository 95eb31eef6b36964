"""Does every job of a study once, on an engine, whatever fails, and whoever else works on the same pool.

pool/IDENTITY/          the job's run, with `result.json` and `output.log` (see `jobs`)
pool/.claims/IDENTITY   locked by the study that has the job done; the system unlocks it however that ends
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from time import sleep
from typing import Protocol

from partwise.errors import WorkError
from partwise.storage.atomic import made, write_json
from partwise.storage.locks import lock

from .engine import Engine
from .jobs import JOB, Job, JobProgress, JobResult, read_result, write_result

CLAIMS = ".claims"
PAUSE = 0.3
"""Seconds between two looks at what another study is doing."""


class Watch(Protocol):
    """Sees what becomes of the jobs."""

    def planned(self, jobs: Sequence[Job], known: Mapping[str, JobResult]) -> None:
        """All jobs, and what is known already and will not be done again."""
        ...

    def started(self, job: Job) -> None:
        """The engine takes up a job."""
        ...

    def progress(self, progress: JobProgress) -> None:
        """One of them is so far."""
        ...

    def finished(self, job: Job, result: JobResult, again: bool) -> None:
        """One has ended, here or by another study's doing; `again`: it failed, and is about to be tried again."""
        ...


class Unwatched:
    """Nobody looks."""

    def planned(self, jobs: Sequence[Job], known: Mapping[str, JobResult]) -> None: ...

    def started(self, job: Job) -> None: ...

    def progress(self, progress: JobProgress) -> None: ...

    def finished(self, job: Job, result: JobResult, again: bool) -> None: ...


def execute(
    jobs: Sequence[Job],
    engine: Engine,
    pool: Path,
    watch: Watch | None = None,
    retry_failed: bool = False,
) -> dict[str, JobResult]:
    """Has every job done that is not done yet; returns what came of each, by identity, in the order of `jobs`.

    What is done, or diverged, is never done again; what failed is as often as the job allows, and once more
    with `retry_failed`. Killed at any moment and called again, it goes on where it was.

    Raises:
        WorkError: the pool cannot be written.
        KeyboardInterrupt: what was running has kept a checkpoint.
    """
    return _Execution(jobs, engine, pool, watch or Unwatched(), retry_failed).complete()


def known_results(jobs: Sequence[Job], pool: Path) -> dict[str, JobResult]:
    """What the pool holds of the jobs, failures included; for those that want to know and have nothing done."""
    found = {job.identity: known_result(job, pool) for job in jobs}
    return {identity: result for identity, result in found.items() if result is not None}


def known_result(job: Job, pool: Path) -> JobResult | None:
    """What the pool holds of a job; None, too, if the run is there but measured by another metric: it is then
    measured anew, which trains nothing."""
    result = read_result(pool / job.identity)
    return result if result is not None and result.answers(job) else None


class _Execution:
    def __init__(self, jobs: Sequence[Job], engine: Engine, pool: Path, watch: Watch, retry_failed: bool) -> None:
        self.jobs: dict[str, Job] = {}
        for job in jobs:
            self.jobs.setdefault(job.identity, job)
        self.engine, self.pool, self.watch = engine, pool, watch
        known = known_results(jobs, pool)
        # With `retry_failed`, earlier attempts are forgiven, but still counted.
        self.forgiven = {identity: result.attempts for identity, result in known.items() if retry_failed}
        self.results = {identity: result for identity, result in known.items() if not self._again(result)}
        self.claims = _Claims(pool / CLAIMS)
        self.waiting: deque[Job] = deque()

    def complete(self) -> dict[str, JobResult]:
        self.watch.planned(list(self.jobs.values()), dict(self.results))
        try:
            while self._open():
                self._round()
                if self._open() and not self.claims.any_free(job.identity for job in self._open()):
                    sleep(PAUSE)  # another study has all that is left
        finally:
            self.claims.close()
        return {identity: self.results[identity] for identity in self.jobs}

    def _open(self) -> list[Job]:
        return [job for identity, job in self.jobs.items() if identity not in self.results]

    def _round(self) -> None:
        """Has every open job done that no other study has taken."""
        self.waiting = deque(self._open())
        with closing(self.engine.run(self._takable(), self.pool, self.watch.progress)) as results:
            for result in results:
                if self.claims.holds(result.identity):  # else told twice
                    self._settle(result)
        if self.claims.held:
            raise WorkError(f"the engine tells nothing of {', '.join(self.claims.held)}")

    def _takable(self) -> Iterator[Job]:
        """The jobs that nobody does yet, one at a time as the engine has room, each claimed."""
        while self.waiting:
            job = self.waiting.popleft()
            if not self.claims.take(job.identity):
                continue
            before = known_result(job, self.pool)
            if before is not None and not self._again(before):  # done by another study meanwhile
                self._settle(before)
                continue
            numbered = job.model_copy(update={"attempt": before.attempts + 1 if before else 1})
            write_json(made(self.pool / job.identity) / JOB, numbered.model_dump(mode="json"))
            self.watch.started(numbered)
            yield numbered

    def _settle(self, result: JobResult) -> None:
        directory = self.pool / result.identity
        placeless = result.model_copy(update={"directory": None})
        there = read_result(directory)
        if there is None or there.model_copy(update={"directory": None}) != placeless:  # it was done on another disk
            write_result(made(directory), placeless)
        result = read_result(directory) or result
        again = self._again(result)
        if again:
            self.waiting.append(self.jobs[result.identity])
        else:
            self.results[result.identity] = result
        self.claims.release(result.identity)
        self.watch.finished(self.jobs[result.identity], result, again)

    def _again(self, result: JobResult) -> bool:
        """Whether a failure is to be tried again."""
        attempts = result.attempts - self.forgiven.get(result.identity, 0)
        return not result.settled and attempts <= self.jobs[result.identity].retries


class _Claims:
    """The jobs that this process has taken: locked files, which the system unlocks when the process ends."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handles: dict[str, int] = {}

    @property
    def held(self) -> list[str]:
        return list(self._handles)

    def holds(self, identity: str) -> bool:
        return identity in self._handles

    def take(self, identity: str) -> bool:
        """Whether the job is ours now; if not, another process has it."""
        handle = os.open(made(self._directory) / identity, os.O_RDWR | os.O_CREAT, 0o644)
        if lock(handle) == "taken":  # where there are no locks, two studies may do the same work
            os.close(handle)
            return False
        self._handles[identity] = handle
        return True

    def any_free(self, identities: Iterable[str]) -> bool:
        """Whether another process has given one up."""
        for identity in identities:
            if self.take(identity):
                self.release(identity)
                return True
        return False

    def release(self, identity: str) -> None:
        os.close(self._handles.pop(identity))

    def close(self) -> None:
        for identity in self.held:
            self.release(identity)


__all__ = ["CLAIMS", "Unwatched", "Watch", "execute", "known_results"]
