"""Jobs on this machine, several at once, with the cores divided between them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from partwise import WorkError
from partwise.machine import cores
from partwise.studies import Job, JobProgress, JobResult, Worker, close_all, heard


@dataclass(frozen=True)
class LocalEngine:
    """As many workers as slots. Each is started when it is first needed, and does one job after the other."""

    slots: int
    """Jobs at once."""

    def run(
        self, jobs: Iterable[Job], place: Path, report: Callable[[JobProgress], None]
    ) -> Generator[JobResult, None, None]:
        waiting = iter(jobs)
        idle: list[Worker] = []
        busy: dict[Worker, Job] = {}
        try:
            while True:
                while len(busy) < self.slots and (job := next(waiting, None)) is not None:
                    worker = idle.pop() if idle else Worker(place, self.threads)
                    busy[worker] = job if job.threads else job.model_copy(update={"threads": self.threads})
                    worker.give(busy[worker])
                if not busy:
                    return
                for worker in heard(busy):
                    result = _result(worker, busy, idle, report)
                    if result is not None:
                        yield result
        finally:
            close_all([*busy, *idle])

    @property
    def threads(self) -> int:
        """Threads for each slot."""
        return max(1, cores() // self.slots)


def _result(
    worker: Worker, busy: dict[Worker, Job], idle: list[Worker], report: Callable[[JobProgress], None]
) -> JobResult | None:
    """The result of the worker's job, if it has ended."""
    try:
        messages = worker.hear()
    except WorkError as error:
        job = busy.pop(worker)
        worker.close()
        return JobResult(identity=job.identity, state="failed", error=str(error), attempts=job.attempt)
    for message in messages:
        if isinstance(message, JobResult):
            del busy[worker]
            idle.append(worker)
            return message
        report(message)
    return None
