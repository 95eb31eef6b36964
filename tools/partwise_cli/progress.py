"""The progress of a training: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from partwise import metric_names

from .output import console, write
from .text import duration, visible

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from partwise.training import Progress

QUICKEST, SLOWEST = 2.0, 60.0
"""Seconds between two lines of a log: few at first, fewer the longer it takes."""
BLINK = 0.1
"""Seconds between two changes of the bar."""


class Watcher(Protocol):
    """Shows what a training reports. Use it in a `with` block."""

    started_at: int | None
    """Updates that were done before this command's first; None if it has made none."""

    def report(self, progress: Progress) -> None:
        """To be called after every step."""
        ...

    def say(self, line: str) -> None:
        """Shows a line of text."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def watcher(stderr: bool = False) -> Watcher:
    """A bar if the stream is a terminal that can draw one; else lines."""
    out = console(stderr)
    terminal = (sys.stderr if stderr else sys.stdout).isatty() and not out.is_dumb_terminal
    return Bar(stderr) if terminal else Lines(stderr)


class Lines:
    """A line at the first step, after each evaluation, at the end, and every few seconds between."""

    def __init__(self, stderr: bool = False) -> None:
        self.started_at: int | None = None
        self._stderr = stderr
        self._first = self._last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        pass

    def say(self, line: str) -> None:
        write(visible(line), err=self._stderr)

    def report(self, progress: Progress) -> None:
        now = monotonic()
        if self.started_at is None:
            self.started_at = progress.step - 1
            self._first = self._last = now
            self.say(described(progress, None))
            return
        # A twentieth of the time so far: two seconds at first, a minute once it has run for twenty.
        pause = min(max(QUICKEST, (now - self._first) / 20), SLOWEST)
        if now - self._last >= pause or metric_names.VALID_LOSS in progress.metrics or progress.step == progress.steps:
            self._last = now
            self.say(described(progress, (now - self._first) / (progress.step - self.started_at - 1)))


def described(progress: Progress, seconds_per_step: float | None) -> str:
    """`step 120/600   loss 3.214   12,345 tokens/s   1:23 left`."""
    words = [f"step {progress.step}/{progress.steps}", *figures_of(progress.metrics)]
    if seconds_per_step is not None and progress.step < progress.steps:
        words.append(f"{duration(seconds_per_step * (progress.steps - progress.step))} left")
    return "   ".join(words)


def figures_of(metrics: Any) -> list[str]:
    """The figures that are shown, in words; those that there are."""
    shown = {
        metric_names.LOSS: "loss {:.3f}",
        metric_names.VALID_LOSS: "valid loss {:.3f}",
        metric_names.VALID_BITS_PER_BYTE: "bits per byte {:.3f}",
        metric_names.VALID_ACCURACY: "accuracy {:.1%}",
        metric_names.TOKENS_PER_SECOND: "{:,.0f} tokens/s",
    }
    found = ((form, metrics.get(key)) for key, form in shown.items())
    return [form.format(value) for form, value in found if isinstance(value, int | float)]


class Bar:
    """A progress bar; evaluations stay on the screen above it."""

    def __init__(self, stderr: bool = False) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.started_at: int | None = None
        self._last = 0.0
        self._task: TaskID | None = None
        self._bar: RichProgress = Progress(
            TextColumn("step {task.completed:.0f}/{task.total:.0f}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeRemainingColumn(),
            console=console(stderr),
            refresh_per_second=5,
            expand=True,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._bar.stop()

    def say(self, line: str) -> None:
        self._bar.console.print(visible(line))

    def report(self, progress: Progress) -> None:
        now = monotonic()
        if metric_names.VALID_LOSS in progress.metrics:
            self.say(described(progress, None))
        elif now - self._last < BLINK and progress.step < progress.steps:
            return  # no eye would see it
        self._last = now
        shown = {name: value for name, value in progress.metrics.items() if not name.startswith(metric_names.EVALUATED)}
        figures = "  ".join(figures_of(shown))
        if self._task is None:
            self.started_at = progress.step - 1
            # The task begins where the training does, so that the time left counts only what is to be done.
            self._task = self._bar.add_task("", completed=progress.step, total=progress.steps, figures=figures)
        else:
            self._bar.update(self._task, completed=progress.step, figures=figures)
