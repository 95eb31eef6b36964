"""Notifies trackers of every update of a training, which they cannot harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal

from partwise.runs.run import Run

from .decoration import Decoration
from .protocols import Progress, Tracker

Report = Callable[[Progress], None]
End = Literal["finished", "interrupted", "failed"]


@contextmanager
def notifying(
    trackers: Sequence[tuple[str, Tracker]], run: Run, report: Report, say: Callable[[str], None]
) -> Iterator[Report]:
    """Yields a function to call after each update of `run`: it calls `report`, and notifies `trackers` (with names).

    A tracker that raises is not called again, and `say` gets one line about it: training must not fail because a
    tracker's server is away.
    """
    working = _WorkingTrackers(trackers, Decoration(say))
    working.notify(lambda tracker: tracker.begin(run, run.step))

    def after_update(progress: Progress) -> None:
        numbers = {
            name: float(value)
            for name, value in progress.metrics.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        working.notify(lambda tracker: tracker.log(progress.step, dict(numbers)))
        report(progress)

    end: End = "failed"
    try:
        yield after_update
        end = "finished"
    except KeyboardInterrupt:
        end = "interrupted"
        raise
    finally:
        working.notify(lambda tracker: tracker.end(end))


class _WorkingTrackers:
    """The trackers that have not failed so far."""

    def __init__(self, trackers: Sequence[tuple[str, Tracker]], decoration: Decoration) -> None:
        # Numbered, so that of two trackers of one name each fails for itself.
        counts = Counter(name for name, _ in trackers)
        self.trackers = [
            (f"tracker {name}" if counts[name] == 1 else f"tracker {name} (number {number})", tracker)
            for number, (name, tracker) in enumerate(trackers, 1)
        ]
        self.decoration = decoration

    def notify(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in self.trackers:
            self.decoration(name, partial(call, tracker))
