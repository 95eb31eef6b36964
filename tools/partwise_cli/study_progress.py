"""Shows a study while it runs: a live table on a terminal, a line per event in a log. All on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Protocol, Self

from .output import console, write
from .text import duration, figure, visible

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from partwise.studies.execution.jobs import Job, JobProgress, JobResult


class StudyWatcher(Protocol):
    """Shows what happens to the jobs of a study. Use it in a `with` block."""

    def note(self, line: str) -> None: ...

    def planned(self, jobs: Sequence[Job], known: Mapping[str, JobResult]) -> None: ...

    def started(self, job: Job) -> None: ...

    def progress(self, progress: JobProgress) -> None: ...

    def finished(self, job: Job, result: JobResult, again: bool) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *failure: object) -> None: ...


def study_watcher() -> StudyWatcher:
    """A table if stderr is a terminal that can draw one, otherwise lines."""
    return StudyTable() if sys.stderr.isatty() and not console(stderr=True).is_dumb_terminal else StudyLines()


class _Tally:
    """How many runs there are, how many of them have ended, and how many of those diverged or failed."""

    def __init__(self, jobs: Sequence[Job], known: Mapping[str, JobResult]) -> None:
        self.all = len({job.identity for job in jobs})
        self.ended = len(known)
        self.diverged = sum(result.state == "diverged" for result in known.values())
        self.failed = sum(result.state == "failed" for result in known.values())

    def add(self, result: JobResult, again: bool) -> None:
        self.ended += not again
        self.diverged += result.state == "diverged"
        self.failed += result.state == "failed" and not again

    def __str__(self) -> str:
        """`7 of 12 runs, 1 diverged, 1 failed`."""
        bad = [f"{count} {what}" for count, what in ((self.diverged, "diverged"), (self.failed, "failed")) if count]
        return ", ".join([f"{self.ended} of {self.all} runs", *bad])

    def known(self) -> str:
        """`12 runs, 3 of them known already (1 failed; --retry-failed tries again)`."""
        if not self.ended:
            return f"{self.all} runs"
        failed = f" ({self.failed} failed; --retry-failed tries again)" if self.failed else ""
        return f"{self.all} runs, {self.ended} of them known already{failed}"


def outcome(job: Job, result: JobResult, again: bool) -> str:
    """`rope, seed 3: loss (valid) 2.314   0:12`, `rope, seed 4: failed: timed out after 600 s`."""
    if result.metric is not None:
        words = [f"{job.title}: {job.metric.label} {figure(result.metric)}"]
        words += [] if result.seconds is None else [duration(result.seconds)]
        return "   ".join(words)
    text = f"{job.title}: {result.state}" + (f": {result.error}" if result.error else "")
    return f"{text} (attempt {result.attempts}, tried again)" if again else text


class StudyLines:
    """A line when a run starts and when it ends."""

    def __init__(self) -> None:
        self._tally = _Tally((), {})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        pass

    def note(self, line: str) -> None:
        self._say(line)

    def planned(self, jobs: Sequence[Job], known: Mapping[str, JobResult]) -> None:
        self._tally = _Tally(jobs, known)
        self._say(self._tally.known())

    def started(self, job: Job) -> None:
        self._say(f"started {job.title}" + (f" (attempt {job.attempt})" if job.attempt > 1 else ""))

    def progress(self, progress: JobProgress) -> None:
        pass

    def finished(self, job: Job, result: JobResult, again: bool) -> None:
        self._tally.add(result, again)
        self._say(f"[{self._tally.ended}/{self._tally.all}] {outcome(job, result, again)}")

    def _say(self, line: str) -> None:
        write(visible(line), err=True)


class StudyTable:
    """A bar for each run in progress, and one for the study. What has ended stays on the screen above them."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self._tally = _Tally((), {})
        self._begun = monotonic()
        self._running: dict[str, TaskID] = {}
        self._parts: dict[str, float] = {}
        """For each run in progress, the share that is done."""
        self._table: RichProgress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}", markup=False, justify="right"),
            console=console(stderr=True),
            refresh_per_second=5,
            expand=True,
        )
        self._study: TaskID | None = None
        self._ended_before = 0

    def __enter__(self) -> Self:
        self._table.start()
        return self

    def __exit__(self, *failure: object) -> None:
        for identity in list(self._running):
            self._drop(identity)
        self._table.stop()

    def note(self, line: str) -> None:
        self._say(line)

    def planned(self, jobs: Sequence[Job], known: Mapping[str, JobResult]) -> None:
        self._tally = _Tally(jobs, known)
        self._begun, self._ended_before = monotonic(), self._tally.ended
        self._say(self._tally.known())
        if self._study is None:
            self._study = self._table.add_task("study", total=self._tally.all, figures="")
        self._show()

    def started(self, job: Job) -> None:
        self._drop(job.identity)
        title = visible(job.title) + (f" (attempt {job.attempt})" if job.attempt > 1 else "")
        self._running[job.identity] = self._table.add_task(title, total=None, figures="")
        self._parts[job.identity] = 0.0

    def progress(self, progress: JobProgress) -> None:
        if progress.identity in self._running:
            figures = f"step {progress.step}/{progress.steps}"
            figures += "" if progress.loss is None else f"  loss {progress.loss:.3f}"
            self._table.update(
                self._running[progress.identity], completed=progress.step, total=progress.steps, figures=figures
            )
            self._parts[progress.identity] = progress.step / max(progress.steps, 1)
            self._show()

    def finished(self, job: Job, result: JobResult, again: bool) -> None:
        self._drop(job.identity)
        self._tally.add(result, again)
        self._say(outcome(job, result, again), style=None if result.state == "done" else "red")
        self._show()

    def _drop(self, identity: str) -> None:
        task = self._running.pop(identity, None)
        self._parts.pop(identity, None)
        if task is not None:
            self._table.remove_task(task)

    def _show(self) -> None:
        if self._study is not None:
            done = self._tally.ended + sum(self._parts.values())
            left = self._time_left(done)
            figures = f"{self._tally}" + ("" if left is None else f"  {duration(left)} left")
            self._table.update(self._study, completed=done, total=self._tally.all, figures=figures)

    def _time_left(self, done: float) -> float | None:
        """Seconds, if all runs take as long as those so far; None while nothing can be said."""
        made = done - self._ended_before
        if made < 0.05 or done >= self._tally.all:
            return None
        return (monotonic() - self._begun) / made * (self._tally.all - done)

    def _say(self, line: str, style: str | None = None) -> None:
        self._table.console.print(visible(line), style=style)
