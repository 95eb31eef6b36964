"""Does one job, in this process: trains its recipe, or continues to, and measures the trained model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from partwise.errors import InputError, PartwiseError, WorkError
from partwise.metric_names import LOSS, VALID_LOSS, judged, of_member
from partwise.runs.metrics import MetricsLog
from partwise.runs.run import METRICS
from partwise.studies.results import Figure, Metric

from .jobs import Asked, Job, JobProgress, JobResult, Measured, read_result
from .reaching import Clock, reached, seconds_at

if TYPE_CHECKING:
    from partwise.runs.run import Run
    from partwise.studies.results import Metric
    from partwise.training.evaluation import Metrics
    from partwise.training.protocols import Progress
    from partwise.workflow import Reopened

PAUSE = 0.2
"""Seconds between two reports of progress; evaluations are always reported."""


def train_and_measure(job: Job, directory: Path, report: Callable[[JobProgress], None]) -> JobResult:
    """Trains the job's recipe in `directory`, from wherever that stands, and measures it.

    Raises:
        PartwiseError: the job cannot be done. A run that diverges is a result, not an error.
    """
    reporter = _Reporter(job, directory, report)
    begun = monotonic()
    try:
        run = _trained(job, directory, reporter)
    except WorkError as error:
        if not _has_diverged(directory):
            raise
        return _diverged(job, directory, str(error))
    measure = _Measuring(job, directory)
    value, stretches = measure.by(job.metric)
    never = job.metric.amount is not None and value == math.inf
    result = JobResult(
        identity=job.identity,
        state="done",
        metric=None if never else value,
        measured=job.metric,
        judged_by=job.judged_by,
        figures=[_also(measure, one) for one in job.also if never or math.isfinite(value)],
        stretches=stretches,
        curve=_curve(directory, job),
        tokens=next((row["tokens"] for row in reversed(run.rows()) if "tokens" in row), None),
        attempts=job.attempt,
        until=job.until,
        seconds=_seconds(monotonic() - begun, reporter.first, directory),
    )
    if never or math.isfinite(value):
        return result
    reason = f"{job.metric.label} is {value} after training"
    return result.model_copy(update={"state": "diverged", "metric": None, "stretches": [], "error": reason})


def _seconds(own: float, first: int | None, directory: Path) -> float | None:
    """Wall time of the run so far, if this process made its first update, or the first one after an earlier stop."""
    before = None if first is None or first == 1 else read_result(directory, first - 1)
    earlier = 0.0 if first == 1 else None if before is None else before.seconds
    return None if earlier is None else round(earlier + own, 3)


def _also(measure: _Measuring, asked: Asked) -> Measured:
    """What a secondary metric says; that it cannot be measured takes nothing from the primary one."""
    found = Measured(metric=asked.metric, judged_by=asked.judged_by)
    try:
        value, stretches = measure.by(asked.metric)
    except PartwiseError as error:
        print(f"{asked.metric.label}: {error}", flush=True)
        return found.model_copy(update={"error": str(error).strip().partition("\n")[0]})
    if not math.isfinite(value):
        return found
    return found.model_copy(update={"figure": Figure(value=value, stretches=stretches)})


def _trained(job: Job, directory: Path, reporter: _Reporter) -> Run:
    from partwise import workflow
    from partwise.recipe import load
    from partwise.runs.run import Run

    if job.until is not None and _stands_at(directory) == job.until:  # it was killed before it was measured
        return Run.open(directory)
    loaded = replace(load(job.recipe), directory=job.directory, judges=job.judges).with_data_in(job.data)
    try:
        run = workflow.train(
            loaded, directory, report=reporter.report, say=lambda line: print(line, flush=True), until=job.until
        )
    except KeyboardInterrupt:
        if job.until is None or _stands_at(directory) != job.until:
            raise
        return Run.open(directory)
    if job.until is not None:
        raise InputError(f"the trainer of this recipe cannot stop after {job.until} updates, as halving needs it to")
    return run


def _stands_at(directory: Path) -> int | None:
    """Updates that the run has made; None if there is none, or it is finished."""
    from partwise.runs.run import Run

    try:
        run = Run.open(directory)
    except PartwiseError:
        return None
    return None if run.finished else run.step


class _Measuring:
    """Measures the run in a directory, which is opened once; each evaluation judges it once."""

    def __init__(self, job: Job, directory: Path) -> None:
        self._job, self._directory = job, directory
        asked = [job.metric, *(one.metric for one in job.also)]
        self._accuracy = any(metric.name == "accuracy" for metric in asked)
        self._figures: dict[tuple[object, ...], Metrics] = {}
        self._judged: dict[str, dict[str, float]] = {}

    def by(self, metric: Metric) -> tuple[float, list[tuple[int, float]]]:
        """The metric of the run, and of the stretches of the text.

        Raises:
            InputError: there is no such metric, or it cannot be computed for this run.
        """
        if metric.amount is not None:
            return self._to_target(metric), []
        if judged(metric.name):
            return self._judgement(metric.name), []
        figures = self._evaluated(metric)
        value = getattr(figures, metric.name, None)
        if isinstance(value, float | int):
            return float(value), _stretches(figures, metric.name)
        if metric.name == "bits_per_byte":
            raise InputError(
                "there are no bits per byte: the tokenizer loses text, or cannot spell what it does not know; "
                "compare the loss, if all variants share the tokenizer"
            )
        known = ", ".join(name for name, value in vars(figures).items() if isinstance(value, float))
        raise InputError(f"there is no metric {metric.name!r}; an evaluation gives {known}")

    @cached_property
    def _reopened(self) -> Reopened:
        from partwise import workflow

        weights: Literal["last", "newest"] = "last" if self._job.until is None else "newest"
        return workflow.reopen(self._directory, weights=weights, data=self._job.data)

    def _evaluated(self, metric: Metric) -> Metrics:
        from partwise import workflow

        key = (metric.split, metric.batches, metric.context)
        if key not in self._figures:
            self._figures[key] = workflow.evaluate(self._reopened, *key, self._accuracy)
        figures = self._figures[key]
        if metric.member is None:
            return figures
        if metric.member not in figures.members:
            raise InputError(f"the data have no member {metric.member!r} to be measured on")
        return figures.members[metric.member]

    def _judgement(self, name: str) -> float:
        """A figure of one of the job's evaluations: the run may have been trained for a study that has others."""
        from partwise.recipe import load
        from partwise.workflow.evaluations import evaluations_of, figures_of, reader_of

        evaluation, _, figure = name.partition(".")
        if evaluation not in self._judged:
            opened, asked = self._reopened, load(self._job.recipe).recipe.evaluations
            recipe = opened.recipe.model_copy(update={"evaluations": {evaluation: asked[evaluation]}})
            place = self._job.judges.get(evaluation)
            (one,) = evaluations_of(replace(opened.loaded, recipe=recipe), opened.model, place)
            reader = reader_of(recipe, opened.model, opened.tokenizer, opened.device)
            self._judged[evaluation] = {key: of.value for key, of in figures_of(one, reader, print).items()}
        found = self._judged[evaluation]
        if figure not in found:
            raise InputError(
                f"the evaluation {evaluation!r} gives no {figure} of this model; it gives {', '.join(found)}"
            )
        return found[figure]

    def _to_target(self, metric: Metric) -> float:
        """Steps, tokens or seconds to the metric's target; infinite if the run never reached it."""
        step = reached(metric, MetricsLog(self._directory / METRICS).all())
        if metric.name == "steps_to" or step == math.inf:
            return step
        if metric.name == "seconds_to":
            return seconds_at(step, self._directory)
        opened = self._reopened
        return step * opened.recipe.trainer.rows_per_update() * opened.prepare().tokens_per_row


def _stretches(figures: Metrics, name: str) -> list[tuple[int, float]]:
    """As results keep them; perplexity to first order, so that the mean of the stretches is that of the whole."""
    found = []
    for one in figures.stretches:
        value = getattr(one, name, None)
        if name == "perplexity":
            value = figures.perplexity * (1 + one.loss - figures.loss)
        if value is None or not math.isfinite(value):
            return []
        found.append((one.tokens, value))
    return found


def _has_diverged(directory: Path) -> bool:
    from partwise.runs.run import Run

    try:
        return Run.open(directory).state == "diverged"
    except PartwiseError:
        return False


def _diverged(job: Job, directory: Path, error: str) -> JobResult:
    curve = _curve(directory, job)
    return JobResult(
        identity=job.identity, state="diverged", error=error, curve=curve, attempts=job.attempt, until=job.until
    )


def _curve(directory: Path, job: Job) -> list[tuple[int, float]]:
    """The metric during training, as (step, value): on its own split if that was evaluated, else on the valid split."""
    rows = MetricsLog(directory / METRICS).all()
    name = job.metric.of or job.metric.name
    of_splits = [f"{split}_{name}" for split in dict.fromkeys((job.metric.split, "valid"))]
    if job.metric.member is not None:
        of_splits = [of_member(job.metric.member, name)]
    for key in [name] if judged(name) else of_splits:
        curve = [(row["step"], row[key]) for row in rows if isinstance(row.get(key), float | int)]
        if curve:
            return curve
    return []


class _Reporter:
    """Passes on the progress of a trainer, but not more often than anyone reads it."""

    def __init__(self, job: Job, directory: Path, report: Callable[[JobProgress], None]) -> None:
        self._identity = job.identity
        self._report = report
        self._last = -math.inf
        self._evaluated: float | None = None
        self._clock = Clock(directory)
        self.first: int | None = None
        """The first update that this process made."""

    def report(self, progress: Progress) -> None:
        if self.first is None:
            self.first = progress.step
        evaluated = progress.metrics.get(VALID_LOSS)
        self._clock.at(progress.step, evaluated is not None)
        now = monotonic()
        if evaluated is None and now - self._last < PAUSE and progress.step < progress.steps:
            return
        self._last = now
        if isinstance(evaluated, float):
            self._evaluated = evaluated
        self._report(
            JobProgress(
                identity=self._identity,
                step=progress.step,
                steps=progress.steps,
                loss=_finite(progress.metrics[LOSS] if self._evaluated is None else self._evaluated),
            )
        )


def _finite(loss: Any) -> float | None:
    return loss if isinstance(loss, float) and math.isfinite(loss) else None


__all__ = ["train_and_measure"]
