"""How a run ends: its final weights, how they are found again, and what can be mended of them.

The manifest names the final weights before they are there, so that no kill leaves them without their sum. The
checkpoint of the last step holds the same weights and the same metrics: from it both can be made again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from partwise.errors import WorkError
from partwise.storage.atomic import flush_to_disk, write_bytes, write_whole

from .checkpoints import Checkpoints
from .layout import METRICS, WEIGHTS
from .manifest import FileEntry, Manifest

if TYPE_CHECKING:
    from torch import Tensor

HAVE_THEM_AGAIN = "restore it from a copy, or run the command that trained it again, which makes it from a checkpoint"


def finish(directory: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes the final weights; the metrics are final too.

    Raises:
        WorkError: they could not be written.
    """
    from partwise.storage.safetensors import fill_file

    def vouch(written: Path) -> None:
        manifest = Manifest.read(directory)
        manifest.files[WEIGHTS] = FileEntry.of_file(written)
        if (directory / METRICS).exists():
            manifest.files[METRICS] = FileEntry.of_file(directory / METRICS)
        manifest.write()

    write_whole(directory / WEIGHTS, lambda place: fill_file(place, tensors), first=vouch)


def last_weights(directory: Path, checkpoints: Checkpoints) -> Path:
    """The directory that holds the final weights, verified; or the newest good checkpoint.

    Raises:
        WorkError: there are neither; or the final ones are damaged.
    """
    if (directory / WEIGHTS).is_file():
        try:
            Manifest.read(directory).verify((WEIGHTS,))
        except WorkError as error:
            raise WorkError(f"{error}; {HAVE_THEM_AGAIN}") from error
        return directory
    if (step := checkpoints.newest_good()) is not None:
        return checkpoints.place(step)
    why = "no checkpoint of it is undamaged" if checkpoints.steps() else "its training has not reached a checkpoint"
    raise WorkError(f"{directory} holds no weights yet: {why}")


def best_weights(directory: Path, checkpoints: Checkpoints) -> Path:
    """The checkpoint with the lowest validation loss, verified.

    Raises:
        WorkError: none was evaluated; or it is damaged.
    """
    step = checkpoints.best()
    if step is None:
        raise WorkError(
            f"{directory} has no best checkpoint: none was evaluated; let trainer.evaluate_every and "
            "trainer.checkpoint_every meet, or take the last weights"
        )
    return checkpoints.verified(step)


def mend(directory: Path, checkpoints: Checkpoints, say: Callable[[str], None]) -> None:
    """Final weights that are damaged are set aside, for the last checkpoint to give them again; metrics that are,
    are taken from it.

    Raises:
        WorkError: there is no such checkpoint.
    """
    manifest, good = Manifest.read(directory), checkpoints.newest_good()
    if problem := manifest.damage(WEIGHTS):
        if good is None:
            raise WorkError(
                f"{problem}, and there is no good checkpoint to make it from; restore it from a copy, or train again "
                "into another directory"
            )
        aside = directory / f"damaged-{WEIGHTS}"
        (directory / WEIGHTS).replace(aside)
        flush_to_disk(directory)
        say(f"{problem} (set aside as {aside.name}); making it again from the checkpoint of step {good}")
    elif METRICS in manifest.files and (problem := manifest.damage(METRICS)) and good is not None:
        content = (checkpoints.place(good) / METRICS).read_bytes()
        if FileEntry.of(content) == manifest.files[METRICS]:
            write_bytes(directory / METRICS, content)
            say(f"{problem}; restored from the checkpoint of step {good}")
