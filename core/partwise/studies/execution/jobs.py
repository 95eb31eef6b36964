"""A run as a job that any process on any machine can do, and its result. Both travel as JSON.

A job is done in its own directory, an ordinary run's directory that also holds

job.json       the job as it was sent, by which a worker elsewhere knows that it sees this disk
result.json    its result, once there is one; result-100.json of a job that stopped after 100 updates
output.log     what its process wrote, attempt after attempt
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from partwise.errors import PartwiseError
from partwise.storage.atomic import read_json, write_json
from partwise.studies.results import Figure, Metric, OutcomeState, measured_by

JOB = "job.json"
"""Name of the file with the job, in the job's directory."""
RESULT, OUTPUT = "result.json", "output.log"


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Asked(_Sent):
    """A metric that a run is measured by besides the primary one."""

    metric: Metric
    judged_by: str | None = None
    """See `Job`."""

    def same(self, other: Asked) -> bool:
        """Whether both ask for the same figure, whatever is made of it."""
        return self.judged_by == other.judged_by and measured_by(self.metric) == measured_by(other.metric)


class Measured(Asked):
    """What came of it."""

    figure: Figure | None = None
    """None if it was not finite, or could not be measured."""
    error: str | None = None
    """Why it could not be measured, in one line."""


def key_of(identity: str, until: int | None) -> str:
    """Of the job that trains a run up to some update, or to its end."""
    return identity if until is None else f"{identity}@{until}"


class Job(_Sent):
    """One recipe to be trained with one seed, and measured."""

    identity: str
    """Hash of everything that affects the result: what is trained of the recipe, seed, data, code of its parts."""
    title: str
    """For its readers: `position=rope, seed 3`."""
    recipe: dict[str, Any]
    """Resolved, with its seed."""
    directory: Path
    """The directory that relative paths in the recipe start from."""
    data: Path | None = None
    """The directory that names of data files are relative to now, if they have moved."""
    metric: Metric
    judges: dict[str, Path] = {}
    """For each evaluation of the recipe, the directory that names of its files are relative to."""
    judged_by: str | None = None
    """Hash of the evaluation that the metric is a figure of, and of its files; None if it is measured on a split."""
    also: list[Asked] = []
    """The secondary metrics."""
    threads: int | None = None
    """CPU threads it may use; None: its share of the engine's."""
    timeout: float | None = None
    """Seconds of wall time that an attempt may take."""
    memory: int | None = None
    """Bytes of memory that its process may take. Enforced on Linux only."""
    retries: int = 0
    """How often a failure is tried again. A run that diverged has not failed."""
    attempt: int = 1
    """Which attempt this is."""
    until: int | None = None
    """Updates after which it stops, to be measured and perhaps continued by another job of the same identity; None: at
    its end."""

    @property
    def key(self) -> str:
        """What tells its result from others, also from those of the same run after more updates."""
        return key_of(self.identity, self.until)


class JobProgress(_Sent):
    """How far a job has got."""

    identity: str
    step: int
    steps: int
    loss: float | None = None
    """Loss of the newest evaluation; before the first, of the newest batch."""


class JobResult(_Sent):
    """The result of a job, failures included."""

    identity: str
    state: OutcomeState
    metric: float | None = None
    measured: Metric | None = None
    """The metric that was measured; None if the engine does not say."""
    judged_by: str | None = None
    """See `Job`."""
    figures: list[Measured] = []
    """What it came to by secondary metrics."""
    curve: list[tuple[int, float]] = []
    stretches: list[tuple[int, float]] = []
    """See `Outcome.stretches`."""
    tokens: int | None = None
    """Tokens trained on, if the trainer reports them."""
    seconds: float | None = None
    """Wall time; None if it was interrupted and continued, so that no process timed all of it."""
    until: int | None = None
    """See `Job`."""
    attempts: int = 1
    """Attempts so far, this one included; continuing after an interruption is not another attempt."""
    error: str | None = None
    """Why it failed or diverged, in one line."""
    output: str | None = None
    """The end of what a failed job wrote."""
    directory: Path | None = None
    """The directory of its run, if the study can see it."""

    @property
    def key(self) -> str:
        """See `Job`."""
        return key_of(self.identity, self.until)

    def answers(self, job: Job) -> bool:
        """Whether it answers what the job asks; another study may have measured something else of the same run."""
        if self.measured is None or self.state != "done":
            return True
        asked = Asked(metric=job.metric, judged_by=job.judged_by)
        return asked.same(Asked(metric=self.measured, judged_by=self.judged_by)) and all(
            any(one.same(found) for found in self.figures) for one in job.also
        )

    def by(self, asked: Asked) -> Measured | None:
        """What it came to by a secondary metric; None if it was not measured by that."""
        return next((found for found in self.figures if asked.same(found)), None)

    @property
    def settled(self) -> bool:
        """Whether trying again would change nothing: only a failure may turn out otherwise, also one to measure."""
        return self.state in ("done", "diverged") and not any(one.error for one in self.figures)


def read_result(directory: Path, until: int | None = None) -> JobResult | None:
    """The result of the job that was done in `directory`; None if there is none yet, or the file is damaged.

    Args:
        until: of the job that stopped after so many updates.
    """
    path = directory / _named(until)
    if not path.is_file():
        return None
    try:
        result = JobResult.model_validate(read_json(path))
    except (PartwiseError, ValueError):
        return None
    return result.model_copy(update={"directory": directory if (directory / "recipe.json").is_file() else None})


def write_result(directory: Path, result: JobResult) -> None:
    """Writes the result of a job, whole or not at all, and without its directory, which may be moved.

    Raises:
        WorkError: it cannot be written.
    """
    write_json(directory / _named(result.until), result.model_dump(mode="json", exclude={"directory"}))


def _named(until: int | None) -> str:
    return RESULT if until is None else f"result-{until}.json"


__all__ = [
    "JOB",
    "OUTPUT",
    "RESULT",
    "Asked",
    "Job",
    "JobProgress",
    "JobResult",
    "Measured",
    "read_result",
    "write_result",
]
