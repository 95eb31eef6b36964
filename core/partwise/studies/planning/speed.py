"""How fast a recipe trains on this machine, by a few updates of it."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from partwise.machine import cpu_threads
from partwise.recipe import LoadedRecipe

if TYPE_CHECKING:
    from partwise.training.protocols import Progress

STEPS = 4
"""Updates that are timed; there is an evaluation before the first and after the third."""
EVERY = 3
"""Updates from one evaluation to the next, while timing."""
LONGEST = 5.0
"""Seconds after which no further update of a variant is timed; after three times as long, no further variant."""
START = 2.0
"""Roughly the seconds between two runs in a slot."""


@dataclass(frozen=True)
class Speed:
    """How fast one variant trains."""

    step: float
    """Seconds per update."""
    evaluation: float
    """Seconds per evaluation."""
    spread: float = 0.0
    """By which share of it the middle half of the updates differ."""


def time_steps(loaded: LoadedRecipe, threads: int, steps: int = STEPS) -> Speed | None:
    """How fast a recipe trains here; None if it ended too soon to tell. The trained model is thrown away."""
    from partwise import workflow

    trainer = loaded.recipe.trainer.with_evaluations_every(EVERY)
    timed = replace(loaded, recipe=loaded.recipe.model_copy(update={"trainer": trainer}))
    clock = _Clock(steps)
    with suppress(_EnoughError), cpu_threads(threads), tempfile.TemporaryDirectory() as place:
        workflow.train(timed, Path(place) / "run", report=clock.report)
    return clock.speed()


class _EnoughError(Exception):
    """Ends a training run that has been timed."""


class _Clock:
    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.times: list[float] = []

    def report(self, progress: Progress) -> None:
        self.times.append(perf_counter())
        if len(self.times) >= self._steps or self.times[-1] - self.times[0] > LONGEST:
            raise _EnoughError

    def speed(self) -> Speed | None:
        gaps = [later - sooner for sooner, later in zip(self.times, self.times[1:], strict=False)]
        # The gap before update n ends with it; updates count from 1.
        evaluated = [gap for number, gap in enumerate(gaps, 2) if number % EVERY == 0]
        plain = [gap for number, gap in enumerate(gaps, 2) if number % EVERY]
        if not plain:
            return None
        step = median(plain)
        quarter = len(plain) // 4
        middle = sorted(plain)[quarter : len(plain) - quarter]
        return Speed(step, max(0.0, median(evaluated) - step) if evaluated else 0.0, (middle[-1] - middle[0]) / step)


def whole_run(loaded: LoadedRecipe, speed: Speed) -> float | None:
    """Seconds of a whole run; None if its trainer does not say how many updates it makes."""
    trainer = loaded.recipe.trainer
    updates = trainer.planned_updates()
    if updates is None:
        return None
    evaluations = trainer.planned_evaluations() + 1  # the last one measures the study's metric
    return START + updates * speed.step + evaluations * speed.evaluation


__all__ = ["LONGEST", "START", "Speed", "time_steps", "whole_run"]
