"""One run as something that any process on any machine can do, and what came of it. Both travel as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from .results import Metric, State


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
    """CPU threads it may use; None: as many as there are."""
    timeout: float | None = None
    """Seconds of wall time it may take."""
    memory: int | None = None
    """Bytes of memory it may take."""
    retries: int = 0
    """How often a failure is tried again (a run that diverged is no failure)."""


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
    state: State
    metric: float | None = None
    curve: list[tuple[int, float]] = []
    tokens: int | None = None
    """Tokens trained on."""
    seconds: float | None = None
    attempts: int = 1
    error: str | None = None
    """Why it failed, in a line."""
    output: str | None = None
    """The end of what a failed one wrote."""
    directory: Path | None = None
    """Its run's directory, where the study can see it."""


__all__ = ["Job", "JobProgress", "JobResult"]
