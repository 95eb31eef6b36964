"""Jobs on this machine, several at once, with the cores divided between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from partwise import WorkError
from partwise.machine import cores, visible_gpus
from partwise.studies import Job, JobProgress, JobResult, Worker, close_all, heard


@dataclass(frozen=True)
class LocalEngine:
    """As many workers as slots. Each is started when it is first needed, and does one job after the other.

    Where there are several GPUs each worker sees one of them, that of the fewest others.
    """

    slots: int
    """Jobs at once."""

    def run(
        self, jobs: Iterable[Job], place: Path, report: Callable[[JobProgress], None]
    ) -> Generator[JobResult, None, None]:
        waiting, gpus = iter(jobs), visible_gpus()
        taken: dict[Worker, str] = {}
        idle: list[Worker] = []
        busy: dict[Worker, Job] = {}
        try:
            while True:
                while len(busy) < self.slots and (job := next(waiting, None)) is not None:
                    worker = idle.pop() if idle else self._started(place, gpus, taken, busy)
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

    def _started(self, place: Path, gpus: Sequence[str], taken: dict[Worker, str], busy: Collection[Worker]) -> Worker:
        """A new worker; none is idle."""
        if len(gpus) < 2:
            return Worker(place, self.threads)
        used = Counter(taken[one] for one in busy)
        gpu = min(gpus, key=lambda one: used[one])
        worker = Worker(place, self.threads, gpu)
        taken[worker] = gpu
        return worker

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
