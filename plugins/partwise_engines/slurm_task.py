"""What a Slurm job does: one run, in its own process, so that a run which fails has a result like any other."""

from __future__ import annotations

from pathlib import Path

from partwise import WorkError
from partwise.studies import Job, JobResult, Worker


def do_here(text: str, place: str) -> str:
    """Does the job `text` (JSON) in `place`, and returns its result as JSON."""
    job = Job.model_validate_json(text)
    worker = Worker(Path(place), job.threads or 1)
    try:
        worker.give(job)
        while True:
            for message in worker.hear():
                if isinstance(message, JobResult):
                    return message.model_dump_json()
    except WorkError as error:
        return JobResult(
            identity=job.identity, state="failed", error=str(error), attempts=job.attempt
        ).model_dump_json()
    finally:
        worker.close()
