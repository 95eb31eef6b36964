"""Event files for TensorBoard, through PyTorch's own writer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch.utils.tensorboard import SummaryWriter

from partwise.runs import Run

from .frequency import is_due


class TensorBoardTracker:
    """Scalars by the name of the metric; the resolved recipe as a text."""

    def __init__(self, directory: str | None, every: int) -> None:
        self.directory = directory
        self.every = every

    def begin(self, run: Run, step: int) -> None:
        place = run.directory / "tensorboard" if self.directory is None else Path(self.directory) / run.directory.name
        # Events after the checkpoint are hidden: the resumed run repeats those updates.
        self.writer = SummaryWriter(str(place), purge_step=step + 1 if step else None)
        if not step:
            self.writer.add_text("recipe", f"```json\n{json.dumps(run.recipe, indent=2)}\n```", 0)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if is_due(step, metrics, self.every):
            for name, value in metrics.items():
                self.writer.add_scalar(name, value, step)

    def end(self, state: Literal["finished", "interrupted", "failed"]) -> None:
        self.writer.close()
