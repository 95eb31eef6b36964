"""What a Dask worker does: one job, in its own process, for as long as it is wanted."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from partwise import PartwiseError, WorkError
from partwise.storage import read_json
from partwise.studies import JOB, Job, JobResult, Worker, close_all, heard

BEAT = 0.5
"""Seconds between two checks of whether the task is still wanted."""


def do_here(text: str, place: str, topic: str) -> str:
    """Does the job `text` (JSON) and returns its result as JSON; sends its progress as events of the topic `topic`.

    The job is done in `place` if this machine shares that disk with the study. Otherwise it is done among the
    worker's own files, which last as long as the worker.
    """
    from distributed import get_worker

    here, job = get_worker(), Job.model_validate_json(text)
    key = here.get_current_task()
    shared = _is_shared(job, Path(place))
    kept = (Path(place) if shared else Path(here.local_directory, "partwise"), job.threads or 1)
    worker = _worker(*kept)
    idle = False
    try:
        worker.give(job)
        while _wanted(here, key):
            for message in worker.hear() if heard([worker], BEAT) else []:
                if isinstance(message, JobResult):
                    idle = True
                    _IDLE[kept].append(worker)
                    return message.model_dump_json(exclude={"directory"})
                here.log_event(topic, {"progress": message.model_dump(mode="json")})
    except WorkError as error:
        lost = JobResult(identity=job.identity, state="failed", error=str(error), attempts=job.attempt)
        return lost.model_dump_json()
    finally:
        if not idle:
            worker.close()
    return ""


_IDLE: defaultdict[tuple[Path, int], list[Worker]] = defaultdict(list)
"""Processes that have done a job and wait for the next, by place and threads. Starting one takes two seconds."""


def _worker(place: Path, threads: int) -> Worker:
    try:
        return _IDLE[place, threads].pop()
    except IndexError:
        return Worker(place, threads)


def end_idle() -> None:
    """Ends the processes that wait for a job; called on every Dask worker when a study is finished."""
    while _IDLE:
        close_all(_IDLE.popitem()[1])


def _is_shared(job: Job, place: Path) -> bool:
    """Whether the file that the study has just written can be seen from here."""
    try:
        there = Job.model_validate(read_json(place / job.identity / JOB))
    except (PartwiseError, ValueError):
        return False
    return there == job.model_copy(update={"threads": there.threads})


def _wanted(here: Any, key: Any) -> bool:
    """Whether the task has not been cancelled, by the study or because the study is gone."""
    task = here.state.tasks.get(key)
    return task is not None and task.state == "executing"
