"""Runs of Weights & Biases, through its library."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import wandb
from wandb.errors import CommError

from partwise import PartwiseError
from partwise.runs import Run
from partwise.storage import read_json, write_json

from .chance import undisturbed
from .frequency import is_due

FILE = "wandb.json"
"""In the run's directory: which of wandb's runs it is."""
TIMEOUTS = {"WANDB_INIT_TIMEOUT": 20.0, "WANDB_FINISH_TIMEOUT": 60.0}
"""Seconds, where the user sets none: by default the library waits for a minute and a half, and in the end for ever."""
_EXIT_CODES = {"finished": 0, "interrupted": 255, "failed": 1}


class WandbTracker:
    """One run of wandb per run: the recipe as its configuration, every figure by its name."""

    def __init__(
        self,
        project: str,
        entity: str | None,
        group: str | None,
        tags: Sequence[str],
        mode: Literal["online", "offline"] | None,
        every: int,
    ) -> None:
        self.project, self.entity, self.group, self.tags = project, entity, group, tuple(tags)
        self.mode, self.every = mode, every

    def begin(self, run: Run, step: int) -> None:
        known = self._known(run.directory)
        # A resumed run repeats the updates since its checkpoint, to the bit.
        self.last_logged = 0 if known is None else _last_row(run)
        id = known or secrets.token_hex(4)
        mode = self.mode or wandb.setup().settings.mode
        if mode == "online" and not _logged_in():
            raise RuntimeError('nobody is logged in: run \'wandb login\', or give the tracker "mode": "offline"')
        try:
            with undisturbed():
                self.run = self._init(run, id, mode, resumed=known is not None)
        except CommError as error:
            reason = str(error).partition("\n")[0]
            how = f"'wandb sync {run.directory}/wandb/offline-*' sends it"
            warnings.warn(
                f"wandb cannot be reached, so that this run is logged offline ({how}): {reason}", stacklevel=2
            )
            id = secrets.token_hex(4)  # the library goes on trying with the other
            self.run = self._init(run, id, "offline", resumed=False)
        write_json(run.directory / FILE, {"project": self.project, "entity": self.entity, "id": id})

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if step > self.last_logged and is_due(step, metrics, self.every):
            self.run.log(dict(metrics), step=step)

    def end(self, state: Literal["finished", "interrupted", "failed"]) -> None:
        self.run.finish(exit_code=_EXIT_CODES[state])

    def _known(self, directory: Path) -> str | None:
        """Id of the run of wandb that this run had before it was interrupted."""
        if not (directory / FILE).is_file():
            return None
        known = read_json(directory / FILE)
        here = (known.get("project"), known.get("entity")) == (self.project, self.entity)
        return str(known.get("id")) if here else None

    def _init(self, run: Run, id: str, mode: str, resumed: bool) -> wandb.Run:
        return wandb.init(
            project=self.project,
            entity=self.entity,
            group=self.group,
            tags=self.tags or None,
            mode=mode,  # type: ignore[arg-type]
            id=id,
            name=run.directory.name,
            config=run.recipe,
            dir=run.directory,
            resume="allow" if resumed and mode == "online" else None,
            reinit="create_new",  # other runs of this process are left alone
            settings=_settings(),
        )


def _logged_in() -> bool:
    """Whether the library has a key; it would ask for one on a terminal, and training would wait."""
    settings = wandb.setup().settings
    before, settings.silent = settings.silent, True  # otherwise it asks the server who has logged in, to greet them
    try:
        return wandb.login(verify=False, prompt=False)
    finally:
        settings.silent = before


def _settings() -> wandb.Settings:
    """Quiet, and patient only for so long; no code and no list of packages is sent, which the run's lock has."""
    settings = wandb.Settings(
        silent=True, console="off", disable_git=True, disable_code=True, x_save_requirements=False
    )
    if "WANDB_INIT_TIMEOUT" not in os.environ:
        settings.init_timeout = TIMEOUTS["WANDB_INIT_TIMEOUT"]
    if "WANDB_FINISH_TIMEOUT" not in os.environ:
        settings.finish_timeout = TIMEOUTS["WANDB_FINISH_TIMEOUT"]
    return settings


def _last_row(run: Run) -> int:
    try:
        return max((int(row["step"]) for row in run.rows()), default=0)
    except PartwiseError:  # the trainer will say what is damaged
        return 0
