"""A program that trains a recipe together with others, each process holding shares, and keeps what it begins with.

python shares.py RECIPE OUT KILL

FIRST and AGAIN beside OUT get the first weights, and what was restored from a checkpoint, as all processes hold them.
The first process is killed (as by a power cut) while the checkpoint of update KILL is completed, once another update
has been made.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from threading import Event
from typing import Any

from partwise.recipe import load
from partwise.runs import checkpoints as writing
from partwise.runs.saving import write_in_shares
from partwise.storage.in_shares import Files
from partwise.training import Progress, one_error_message
from partwise.workflow import train
from partwise_training import checkpoints, standard
from partwise_training.parallel import Sharded

FIRST, AGAIN = "first", "again"


def keep(parallel: Any, place: Path) -> None:
    assert isinstance(parallel, Sharded)
    weights, state = parallel.state()
    contents = {place / "model.safetensors": weights, place / "optimizer.safetensors": state.tensors}
    files = Files(contents, lambda: place.mkdir(exist_ok=True), lambda: None, lambda: None)
    write_in_shares(files, parallel.savers, lambda error: AssertionError(error)).finish()  # type: ignore[arg-type,return-value]


def main() -> None:
    recipe, out, kill = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    went_on = Event()
    held, restore, settle = standard.held, checkpoints.restore, writing.settle

    def held_and_kept(*given: Any) -> Any:
        parallel = held(*given)
        keep(parallel, out.with_name(FIRST))
        return parallel

    def restored_and_kept(*given: Any) -> Any:
        found = restore(*given)
        keep(given[1], out.with_name(AGAIN))
        return found

    def killed(place: Path, run: str) -> None:
        if f"-{kill}." in place.name:
            assert went_on.wait(60), "no update is made while a checkpoint is written"
            os.kill(os.getpid(), signal.SIGKILL)
        settle(place, run)

    def report(progress: Progress) -> None:
        if progress.step > kill:
            went_on.set()

    standard.held, checkpoints.restore, writing.settle = held_and_kept, restored_and_kept, killed  # type: ignore[assignment]
    with one_error_message():
        train(load(recipe), out, device="cpu", report=report)


if __name__ == "__main__":
    main()
