"""Trackers while a run is trained: told of every update, and unable to harm it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from partwise.runs.run import Run

from .protocols import Progress, Tracker

Report = Callable[[Progress], None]
End = Literal["finished", "interrupted", "failed"]


@contextmanager
def notifying(
    trackers: Sequence[tuple[str, Tracker]], run: Run, report: Report, say: Callable[[str], None]
) -> Iterator[Report]:
    """What is to be called after each update of `run` in place of `report`: `trackers` (by name) hear of it too.

    A tracker that raises is left alone from then on, which `say` is told once: a full disk of its own, or a server
    that is away, costs no training.
    """
    listeners = _Listeners(trackers, say)
    listeners.each(lambda tracker: tracker.begin(run, run.step))

    def reported(progress: Progress) -> None:
        numbers = {
            name: float(value)
            for name, value in progress.metrics.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        listeners.each(lambda tracker: tracker.log(progress.step, numbers))
        report(progress)

    end: End = "failed"
    try:
        yield reported
        end = "finished"
    except KeyboardInterrupt:
        end = "interrupted"
        raise
    finally:
        listeners.each(lambda tracker: tracker.end(end))


class _Listeners:
    """The trackers that still listen."""

    def __init__(self, trackers: Sequence[tuple[str, Tracker]], say: Callable[[str], None]) -> None:
        self.trackers = list(trackers)
        self.say = say

    def each(self, tell: Callable[[Tracker], None]) -> None:
        for one in list(self.trackers):
            name, tracker = one
            try:
                tell(tracker)
            except Exception as error:
                self.trackers.remove(one)
                reason = str(error).partition("\n")[0] or type(error).__name__
                self.say(f"tracker {name} failed and is left alone from now on: {reason}")


__all__ = ["notifying"]
