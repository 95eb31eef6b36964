"""Does one job, in this process: trains its recipe, or continues, and measures what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError, PartwiseError, WorkError
from partwise.metric_names import LOSS, VALID_LOSS

from .jobs import Job, JobProgress, JobResult

if TYPE_CHECKING:
    from partwise.training.protocols import Progress

PAUSE = 0.2
"""Seconds between two reports of progress, but for evaluations."""


def train_and_measure(job: Job, directory: Path, report: Callable[[JobProgress], None]) -> JobResult:
    """Trains the job's recipe in `directory`, from wherever that stands, and measures it.

    Raises:
        PartwiseError: it could not be done; a run that diverged is a result, not an error.
    """
    from partwise import workflow
    from partwise.recipe import load

    loaded = replace(load(job.recipe), directory=job.directory)
    teller = _Teller(job, report)
    begun = monotonic()
    try:
        run = workflow.train(loaded, directory, report=teller.report, say=lambda line: print(line, flush=True))
    except WorkError as error:
        if not _has_diverged(directory):
            raise
        return JobResult(
            identity=job.identity,
            state="diverged",
            error=str(error),
            curve=_curve(directory, job),
            attempts=job.attempt,
        )
    measured = workflow.reopen(directory)
    metric = job.metric
    figures = workflow.evaluate(measured, metric.split, metric.batches, metric.context, metric.name == "accuracy")
    result = JobResult(
        identity=job.identity,
        state="done",
        metric=_figure(figures, job),
        measured=job.metric,
        curve=_curve(directory, job),
        tokens=next((row["tokens"] for row in reversed(run.rows()) if "tokens" in row), None),
        attempts=job.attempt,
        seconds=round(monotonic() - begun, 3) if teller.from_the_start else None,
    )
    if result.metric is None or math.isfinite(result.metric):
        return result
    worst = f"{job.metric.label} is {result.metric} after training"
    return result.model_copy(update={"state": "diverged", "metric": None, "error": worst})


class _Teller:
    """Passes a trainer's progress on, not more often than anyone reads it."""

    def __init__(self, job: Job, report: Callable[[JobProgress], None]) -> None:
        self._identity = job.identity
        self._report = report
        self._last = -math.inf
        self._evaluated: float | None = None
        self.from_the_start = False

    def report(self, progress: Progress) -> None:
        self.from_the_start |= progress.step == 1
        evaluated = progress.metrics.get(VALID_LOSS)
        now = monotonic()
        if evaluated is None and now - self._last < PAUSE and progress.step < progress.steps:
            return
        self._last = now
        if isinstance(evaluated, float):
            self._evaluated = evaluated
        newest = progress.metrics[LOSS]
        loss = self._evaluated if self._evaluated is not None else newest
        self._report(
            JobProgress(
                identity=self._identity,
                step=progress.step,
                steps=progress.steps,
                loss=loss if isinstance(loss, float) and math.isfinite(loss) else None,
            )
        )


def _has_diverged(directory: Path) -> bool:
    from partwise.runs.run import Run

    try:
        return Run.open(directory).state == "diverged"
    except PartwiseError:
        return False


def _figure(figures: Any, job: Job) -> float:
    name = job.metric.name
    value = getattr(figures, name, None)
    if isinstance(value, float | int):
        return float(value)
    if name == "bits_per_byte":
        raise InputError(
            "there are no bits per byte: the tokenizer loses text, or cannot spell what it does not know; "
            "compare the loss, if all variants share the tokenizer"
        )
    known = ", ".join(name for name, value in vars(figures).items() if isinstance(value, float))
    raise InputError(f"there is no metric {name!r}; an evaluation gives {known}")


def _curve(directory: Path, job: Job) -> list[tuple[int, float]]:
    """The metric as it was evaluated during training: on the split itself where it was, else the validation split."""
    from partwise.runs.metrics import MetricsLog
    from partwise.runs.run import METRICS

    rows = MetricsLog(directory / METRICS).all()
    for split in dict.fromkeys((job.metric.split, "valid")):
        key = f"{split}_{job.metric.name}"
        curve = [(row["step"], row[key]) for row in rows if isinstance(row.get(key), float | int)]
        if curve:
            return curve
    return []


__all__ = ["train_and_measure"]
