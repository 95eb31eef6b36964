"""Does every job of a study once, on an engine, whatever fails and whatever other studies work on the same pool.

pool/IDENTITY/          the job's run, with `result.json` and `output.log` (see `jobs`)
pool/.claims/IDENTITY   locked by the study that is doing the job; the system unlocks it however that study ends
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
"""Seconds between two checks of what another study is doing."""


class Watch(Protocol):
    """Is called as a study goes on."""

    def note(self, line: str) -> None:
        """A sentence about the study as a whole."""
        ...

    def planned(self, jobs: Sequence[Job], known: Mapping[str, JobResult]) -> None:
        """`jobs` are to be done, except for those whose results are `known` (by identity)."""
        ...

    def started(self, job: Job) -> None:
        """The engine has taken a job."""
        ...

    def progress(self, progress: JobProgress) -> None:
        """A job has got this far."""
        ...

    def finished(self, job: Job, result: JobResult, again: bool) -> None:
        """A job has ended, here or in another study; `again`: it failed, and is about to be tried again."""
        ...


class Unwatched:
    """A watch that does nothing."""

    def note(self, line: str) -> None: ...

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
    """Does every job that is not done yet; returns the result of each, by identity, in the order of `jobs`.

    Of a run that is trained in several steps (`Job.until`), `jobs` may have one.

    A job that is done, or has diverged, is never done again. One that failed is tried again as often as it allows;
    with `retry_failed`, as often once more. Killed at any moment and called again, it continues where it was.

    Raises:
        WorkError: the pool cannot be written.
        KeyboardInterrupt: the user stopped it; what was running has saved a checkpoint.
    """
    return _Execution(jobs, engine, pool, watch or Unwatched(), retry_failed).complete()


def known_results(jobs: Sequence[Job], pool: Path) -> dict[str, JobResult]:
    """The results that the pool holds of the jobs, by `Job.key`, failures included. Does no job."""
    found = {job.key: known_result(job, pool) for job in jobs}
    return {key: result for key, result in found.items() if result is not None}


def known_result(job: Job, pool: Path) -> JobResult | None:
    """The result that the pool holds of a job; also None if the run was measured by another metric. It is then
    measured again, which trains nothing."""
    result = read_result(pool / job.identity, job.until)
    return result if result is not None and result.answers(job) else None


class _Execution:
    def __init__(self, jobs: Sequence[Job], engine: Engine, pool: Path, watch: Watch, retry_failed: bool) -> None:
        self.jobs: dict[str, Job] = {}
        for job in jobs:
            self.jobs.setdefault(job.identity, job)
        self.engine, self.pool, self.watch = engine, pool, watch
        known = {result.identity: result for result in known_results(jobs, pool).values()}
        # With `retry_failed`, earlier attempts are still counted, but do not use up retries.
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
        """Does every open job that no other study has taken."""
        self.waiting = deque(self._open())
        with closing(self.engine.run(self._takable(), self.pool, self.watch.progress)) as results:
            for result in results:
                if self.claims.holds(result.identity):  # otherwise it came twice
                    self._settle(result)
        if self.claims.held:
            raise WorkError(f"the engine gave no result for {', '.join(self.claims.held)}")

    def _takable(self) -> Iterator[Job]:
        """The jobs that nobody is doing yet, one at a time as the engine has room, each claimed."""
        while self.waiting:
            job = self.waiting.popleft()
            if not self.claims.take(job.identity):
                continue
            before = known_result(job, self.pool)
            if before is not None and not self._again(before):  # another study has done it meanwhile
                self._settle(before)
                continue
            numbered = job.model_copy(update={"attempt": before.attempts + 1 if before else 1})
            write_json(made(self.pool / job.identity) / JOB, numbered.model_dump(mode="json"))
            self.watch.started(numbered)
            yield numbered

    def _settle(self, result: JobResult) -> None:
        directory = self.pool / result.identity
        until = self.jobs[result.identity].until
        result = result.model_copy(update={"until": until})
        placeless = result.model_copy(update={"directory": None})
        there = read_result(directory, until)
        if there is None or there.model_copy(update={"directory": None}) != placeless:  # it was done on another disk
            write_result(made(directory), placeless)
        result = read_result(directory, until) or result
        again = self._again(result)
        if again:
            self.waiting.append(self.jobs[result.identity])
        else:
            self.results[result.identity] = result
        self.claims.release(result.identity)
        self.watch.finished(self.jobs[result.identity], result, again)

    def _again(self, result: JobResult) -> bool:
        """Whether a failure should be tried again."""
        attempts = result.attempts - self.forgiven.get(result.identity, 0)
        return not result.settled and attempts <= self.jobs[result.identity].retries


class _Claims:
    """The jobs that this process has taken: files it has locked, which the system unlocks when the process ends."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handles: dict[str, int] = {}

    @property
    def held(self) -> list[str]:
        return list(self._handles)

    def holds(self, identity: str) -> bool:
        return identity in self._handles

    def take(self, identity: str) -> bool:
        """Takes the job, unless another process has it; returns whether it is ours now."""
        handle = os.open(made(self._directory) / identity, os.O_RDWR | os.O_CREAT, 0o644)
        if lock(handle) == "taken":  # where there are no locks, two studies may do the same work
            os.close(handle)
            return False
        self._handles[identity] = handle
        return True

    def any_free(self, identities: Iterable[str]) -> bool:
        """Whether another process has given up one of these."""
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
