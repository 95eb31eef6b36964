"""One run as something that any process on any machine can do, and what came of it. Both travel as JSON.

A job is done in a directory of its own, an ordinary run's directory that also holds

job.json       the job
result.json    what came of it, once there is something
output.log     what its process wrote, attempt after attempt
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from partwise.errors import PartwiseError
from partwise.storage.atomic import read_json, write_json
from partwise.studies.results import Metric, OutcomeState

MEASURED = ("name", "split", "context", "batches")
"""What of a metric decides its figure."""
JOB = "job.json"
"""Name of the file with the job, in the job's directory."""
RESULT, OUTPUT = "result.json", "output.log"


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Job(_Sent):
    """One recipe to be trained with one seed, and measured."""

    identity: str
    """Hash of all that decides the result: trained part of the recipe, seed, data, code of its parts."""
    title: str
    """For people: `position=rope, seed 3`."""
    recipe: dict[str, Any]
    """Resolved, its seed set."""
    directory: Path
    """What the recipe's relative paths are relative to."""
    metric: Metric
    threads: int | None = None
    """CPU threads it may use; None: its share of what the engine has."""
    timeout: float | None = None
    """Seconds of wall time that an attempt may take."""
    memory: int | None = None
    """Bytes of memory that its process may take (enforced on Linux only)."""
    retries: int = 0
    """How often a failure is tried again (a run that diverged is no failure)."""
    attempt: int = 1
    """Which attempt this is."""


class JobProgress(_Sent):
    """How far a job is."""

    identity: str
    step: int
    steps: int
    loss: float | None = None
    """Of the newest evaluation or, before one, of the newest batch."""


class JobResult(_Sent):
    """What came of a job."""

    identity: str
    state: OutcomeState
    metric: float | None = None
    measured: Metric | None = None
    """What `metric` is a figure of; None if whoever did the job does not say."""
    curve: list[tuple[int, float]] = []
    tokens: int | None = None
    """Tokens trained on, if the trainer says."""
    seconds: float | None = None
    """Of wall time; None if it was trained in several goes, which nobody timed together."""
    attempts: int = 1
    """How often it was begun because it had failed, this time included."""
    error: str | None = None
    """Why it failed or diverged, in a line."""
    output: str | None = None
    """The end of what a failed one wrote."""
    directory: Path | None = None
    """Its run's directory, where the study can see it."""

    def answers(self, job: Job) -> bool:
        """Whether it is what the job asks: of a run that is done, another study may have measured something else."""
        if self.measured is None or self.state != "done":
            return True
        return all(getattr(self.measured, name) == getattr(job.metric, name) for name in MEASURED)

    @property
    def settled(self) -> bool:
        """Whether trying again would change nothing: a failure may have passed, all else is as it is."""
        return self.state in ("done", "diverged")


def read_result(directory: Path) -> JobResult | None:
    """What came of the job that was done in `directory`; None if nothing did yet, or the file is damaged."""
    if not (directory / RESULT).is_file():
        return None
    try:
        result = JobResult.model_validate(read_json(directory / RESULT))
    except (PartwiseError, ValueError):
        return None
    return result.model_copy(update={"directory": directory if (directory / "recipe.json").is_file() else None})


def write_result(directory: Path, result: JobResult) -> None:
    """Keeps what came of a job, whole or not at all, and without its place: a directory may be moved.

    Raises:
        WorkError: it cannot be written.
    """
    write_json(directory / RESULT, result.model_dump(mode="json", exclude={"directory"}))


__all__ = ["JOB", "OUTPUT", "RESULT", "Job", "JobProgress", "JobResult", "read_result", "write_result"]
