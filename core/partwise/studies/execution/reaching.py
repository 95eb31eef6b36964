"""When a run reached a target: the first evaluation while training at or below it, between it and the one before.

The figure falls along a straight line from one evaluation to the next, as far as anyone knows; that is where the target
is taken to be reached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import inf, isfinite
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError, PartwiseError
from partwise.metric_names import EVALUATED
from partwise.storage.atomic import read_json, write_json

if TYPE_CHECKING:
    from partwise.studies.results import Metric

CLOCK = "clock.json"
"""Seconds of training at every evaluation; only of a run that was trained without interruption."""


def reached(metric: Metric, rows: Sequence[Mapping[str, Any]]) -> float:
    """The update, with a fraction, at which the metric's target was reached; infinite if it never was.

    Raises:
        InputError: the run was not evaluated while it was trained, or not by this figure.
    """
    assert metric.target is not None
    name = f"{EVALUATED}{metric.of}"
    seen = [(row["step"], row[name]) for row in rows if isinstance(row.get(name), float | int) and isfinite(row[name])]
    if not seen:
        raise InputError(
            f"the run has no {metric.of} of evaluations while it was trained, which is needed to tell when"
        )
    before = None
    for step, value in seen:
        if value <= metric.target:
            if before is None:
                return float(step)
            share = (before[1] - metric.target) / (before[1] - value)
            return float(before[0] + share * (step - before[0]))
        before = step, value
    return inf


def seconds_at(step: float, directory: Path) -> float:
    """Of training until the update `step`.

    Raises:
        InputError: they are not known.
    """
    clock: list[tuple[int, float]] = []
    with suppress(PartwiseError, ValueError, TypeError, LookupError):
        clock = [(int(one[0]), float(one[1])) for one in read_json(directory / CLOCK)["times"]]
    if not clock or clock[-1][0] < step:
        raise InputError(
            "how long it took is not known: the run was interrupted and continued, or was trained by an earlier version"
        )
    before = (1, 0.0)
    for one in clock:
        if one[0] >= step:
            share = (step - before[0]) / (one[0] - before[0]) if one[0] > before[0] else 1.0
            return before[1] + max(0.0, share) * (one[1] - before[1])
        before = one
    return before[1]


class Clock:
    """Notes when a run was evaluated, in its directory; the evaluations' own time included."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / CLOCK
        self._begun: float | None = None
        self._times: list[tuple[int, float]] = []

    def at(self, step: int, evaluated: bool) -> None:
        """After an update. A process that did not make the first one has seen too little: what was noted is void."""
        now = monotonic()
        if step == 1:
            self._begun = now
        elif self._begun is None:
            self._path.unlink(missing_ok=True)
            return
        if evaluated:
            self._times.append((step, round(now - self._begun, 4)))
            write_json(self._path, {"times": self._times})


__all__ = ["CLOCK", "Clock", "reached", "seconds_at"]
