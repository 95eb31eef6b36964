"""A training of six updates, which may be interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from partwise import workflow
from partwise.recipe import LoadedRecipe, load
from partwise.runs import Run
from partwise.training import Progress

SMALL = (
    "model.width=16",
    "model.context=16",
    "trainer.steps=6",
    "trainer.batch_size=2",
    "trainer.schedule=constant",
    "trainer.evaluate_every=3",
    "trainer.evaluate_batches=1",
    "trainer.checkpoint_every=2",
)


def small(trackers: str) -> LoadedRecipe:
    return load("char-rnn", [*SMALL, f"trackers={trackers}"])


def train(place: Path, trackers: str, report: Any = lambda progress: None, **options: Any) -> Run:
    return workflow.train(small(trackers), place, device="cpu", report=report, **options)


def interrupted_at(step: int) -> Any:
    def report(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return report


def losses(run: Run) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in run.rows() if "loss" in row}
