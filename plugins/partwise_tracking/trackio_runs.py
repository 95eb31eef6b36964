"""Runs in a local database of trackio, which its dashboard shows: `trackio show`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Literal

import huggingface_hub.constants
from trackio.run import Run as TrackioRun
from trackio.sqlite_storage import SQLiteStorage

from partwise.runs import Run
from partwise.storage import read_json, write_json

from .frequency import is_due

FILE = "trackio.json"
"""In the run's directory: which of trackio's runs it is."""


class TrackioTracker:
    """One run of trackio per run: the recipe as its configuration, every figure by its name."""

    def __init__(self, project: str, group: str | None, every: int) -> None:
        self.project, self.group, self.every = project, group, every

    def begin(self, run: Run, step: int) -> None:
        known = self._known(run.directory)
        id = known or secrets.token_hex(16)
        with _locally():
            # A resumed run repeats the updates since its checkpoint, to the bit.
            last = None if known is None else SQLiteStorage.get_max_step_for_run(self.project, run_id=id)
            # Not `trackio.init`: it ends another run of this process, and tells a run by its name alone.
            self.run = TrackioRun(
                url=None,
                project=self.project,
                client=None,
                name=run.directory.name,
                run_id=id,
                group=self.group,
                config=dict(run.recipe),
                initial_last_step=last,
            )
        self.last_logged = last or 0
        write_json(run.directory / FILE, {"project": self.project, "id": id})

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if step > self.last_logged and is_due(step, metrics, self.every):
            self.run.log(dict(metrics), step=step)

    def end(self, state: Literal["finished", "interrupted", "failed"]) -> None:
        with _locally():
            self.run.finish()

    def _known(self, directory: Path) -> str | None:
        """Id of the run of trackio that this run had before it was interrupted."""
        if not (directory / FILE).is_file():
            return None
        known = read_json(directory / FILE)
        return str(known.get("id")) if known.get("project") == self.project else None


@contextmanager
def _locally() -> Iterator[None]:
    """Inside it trackio says nothing, and asks no server who has logged in."""
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        huggingface_hub.constants.HF_HUB_OFFLINE = before
