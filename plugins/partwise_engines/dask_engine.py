"""Jobs on the workers of a Dask cluster. Each worker starts the same process as the local engine does.

Every task is bound to one worker. Left to itself, a scheduler silently runs a task again on another worker when its
own dies (up to its setting `allowed-failures`). Here the engine notices that the worker is gone, and counts it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any
from uuid import uuid4

from partwise import InputError, WorkError
from partwise.studies import Job, JobProgress, JobResult

from .dask_task import do_here, end_idle

BEAT = 0.5
"""Seconds between two checks of which workers there are."""
LOSSES = 3
"""Workers that a job may lose before the engine gives it up, since the job may be what kills them."""
PATIENCE = 60.0
"""Seconds to wait for a worker when there is none."""


@dataclass(frozen=True)
class DaskEngine:
    """The engine of the scheduler at `address`."""

    address: str
    slots: int = 1
    """Jobs that each worker does at once."""
    patience: float = PATIENCE
    """Seconds to wait for a worker when there is none."""

    def run(
        self, jobs: Iterable[Job], place: Path, report: Callable[[JobProgress], None]
    ) -> Generator[JobResult, None, None]:
        client = self._connected()
        try:
            yield from _Dispatch(self, client, iter(jobs), place, report).results()
        finally:
            client.close()

    def _connected(self) -> Any:
        try:
            from distributed import Client
        except ImportError as error:
            raise InputError(
                "the engine 'dask' needs the package distributed: pip install 'partwise[dask]', here and on the workers"
            ) from error
        try:
            return Client(self.address, timeout=min(10.0, self.patience), set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise InputError(f"no Dask scheduler answers at {self.address}: {error}") from error


@dataclass(frozen=True)
class _Sent:
    job: Job
    worker: str


class _Dispatch:
    """One call of the engine: what has been sent to which worker, and what has come back."""

    def __init__(
        self, engine: DaskEngine, client: Any, jobs: Iterator[Job], place: Path, report: Callable[[JobProgress], None]
    ) -> None:
        self.engine, self.client, self.jobs, self.place, self.report = engine, client, jobs, place, report
        self.more = True
        """Whether `jobs` may hold another job."""
        self.sent: dict[Any, _Sent] = {}
        self.lost: deque[Job] = deque()
        self.losses: Counter[str] = Counter()
        self.news: SimpleQueue[Any] = SimpleQueue()
        """Progress, results, and tasks that have ended."""
        self.topic = f"partwise-{uuid4().hex}"
        self.seen_at = monotonic()

    def results(self) -> Generator[JobResult, None, None]:
        self.client.subscribe_topic(self.topic, lambda event: self.news.put(event[1]))
        try:
            while True:
                self._deal_out(self.client.nthreads())
                if not (self.sent or self.lost or self.more) and self.news.empty():
                    return
                yield from self._heard()
        finally:
            self.client.cancel(list(self.sent))  # each task sees that, and ends its process
            self.client.unsubscribe_topic(self.topic)
            self.client.run(end_idle, on_error="ignore")

    def _deal_out(self, threads: dict[str, int]) -> None:
        """Takes back the jobs of workers that are gone, then gives every worker as many jobs as it has room for."""
        for future in [future for future, sent in self.sent.items() if sent.worker not in threads]:
            self._take_back(future)
        if threads:
            self.seen_at = monotonic()
        elif monotonic() - self.seen_at > self.engine.patience:
            raise WorkError(
                f"the Dask scheduler at {self.engine.address} has no workers; start some, then run this again"
            )
        room = Counter(dict.fromkeys(threads, self.engine.slots))
        room.subtract(sent.worker for sent in self.sent.values())
        while room and max(room.values()) > 0 and (job := self._next()) is not None:
            worker = max(room, key=lambda worker: room[worker])
            room[worker] -= 1
            self._send(job, worker, max(1, threads[worker] // self.engine.slots))

    def _next(self) -> Job | None:
        if self.lost:
            return self.lost.popleft()
        job = next(self.jobs, None) if self.more else None
        self.more = job is not None
        return job

    def _send(self, job: Job, worker: str, threads: int) -> None:
        future = self.client.submit(
            do_here,
            (job if job.threads else job.model_copy(update={"threads": threads})).model_dump_json(),
            str(self.place.absolute()),
            self.topic,
            key=f"partwise-{job.identity}-{uuid4().hex}",
            workers=[worker],
            allow_other_workers=False,
            pure=False,
        )
        self.sent[future] = _Sent(job, worker)
        future.add_done_callback(self.news.put)

    def _heard(self) -> Iterator[JobResult]:
        """The results that come within a beat."""
        try:
            news = self.news.get(timeout=BEAT)
        except Empty:
            return
        if isinstance(news, dict):
            self.report(JobProgress.model_validate(news["progress"]))
        elif isinstance(news, JobResult):
            yield news
        elif news in self.sent:
            yield from self._came_of(news)

    def _came_of(self, future: Any) -> Iterator[JobResult]:
        if future.status == "finished":
            try:
                text = future.result(timeout=10 * BEAT)
            except Exception:  # the worker went before the result was fetched
                self._take_back(future)
            else:
                del self.sent[future]
                yield JobResult.model_validate_json(text)
            return
        error = future.exception() if future.status == "error" else None
        if error is None or type(error).__name__ == "KilledWorker":
            self._take_back(future)
        else:
            yield _failed(
                self.sent.pop(future).job, f"the Dask worker cannot do this job: {type(error).__name__}: {error}"
            )

    def _take_back(self, future: Any) -> None:
        """Gives the job of a lost worker to another, unless it has lost too many."""
        sent = self.sent.pop(future)
        self.client.cancel([future])
        self.losses[sent.job.identity] += 1
        if self.losses[sent.job.identity] < LOSSES:
            self.lost.append(sent.job)
        else:
            self.news.put(_failed(sent.job, f"lost {LOSSES} Dask workers, the last at {sent.worker}"))


def _failed(job: Job, error: str) -> JobResult:
    return JobResult(identity=job.identity, state="failed", error=error.partition("\n")[0], attempts=job.attempt)
