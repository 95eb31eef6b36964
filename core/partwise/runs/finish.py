"""Finishes a run: writes its final weights, finds them again, and repairs them where that is possible.

The manifest lists the final weights before they appear, so that a kill never leaves them without a checksum. The
checkpoint of the last step holds the same weights and metrics, and both can be restored from it.
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

    from partwise.storage.in_shares import Files

HOW_TO_RESTORE = "restore it from a copy, or run the training command again, which restores it from a checkpoint"


def write_final(directory: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes the final weights, and records the metrics as final.

    Raises:
        WorkError: they could not be written.
    """
    from partwise.storage.safetensors import fill_file

    def record(written: Path) -> None:
        _record(directory, written)

    write_whole(directory / WEIGHTS, lambda place: fill_file(place, tensors), first=record)


def final_in_shares(directory: Path, tensors: Mapping[str, Tensor]) -> Files:
    """`write_final` of weights of which several processes write each its shares."""
    from partwise.storage.in_shares import Files

    partial = directory / f".{WEIGHTS}.shares.partial"

    def complete() -> None:
        flush_to_disk(partial)
        _record(directory, partial)
        partial.replace(directory / WEIGHTS)
        flush_to_disk(directory)

    return Files({partial: tensors}, lambda: None, complete, lambda: partial.unlink(missing_ok=True))


def _record(directory: Path, written: Path) -> None:
    """Lists the final weights, which have yet to be given their name, in the manifest, with the metrics."""
    manifest = Manifest.read(directory)
    manifest.files[WEIGHTS] = FileEntry.of_file(written)
    if (directory / METRICS).exists():
        manifest.files[METRICS] = FileEntry.of_file(directory / METRICS)
    manifest.write()


def last_weights(directory: Path, checkpoints: Checkpoints) -> Path:
    """The directory that holds the final weights, verified; without them, that of the newest good checkpoint.

    Raises:
        WorkError: there is neither; or the final weights are damaged.
    """
    if (directory / WEIGHTS).is_file():
        try:
            Manifest.read(directory).verify((WEIGHTS,))
        except WorkError as error:
            raise WorkError(f"{error}; {HOW_TO_RESTORE}") from error
        return directory
    if (step := checkpoints.newest_good()) is not None:
        return checkpoints.place(step)
    why = "all its checkpoints are damaged" if checkpoints.steps() else "its training has not reached a checkpoint"
    raise WorkError(f"{directory} holds no weights yet: {why}")


def best_weights(directory: Path, checkpoints: Checkpoints) -> Path:
    """The checkpoint with the lowest validation loss, verified.

    Raises:
        WorkError: no checkpoint was evaluated; or the best one is damaged.
    """
    step = checkpoints.best()
    if step is None:
        raise WorkError(
            f"{directory} has no best checkpoint, as none was evaluated; let trainer.evaluate_every and "
            "trainer.checkpoint_every fall on the same steps, or use the last weights"
        )
    return checkpoints.verified(step)


def mend_final(directory: Path, checkpoints: Checkpoints, say: Callable[[str], None]) -> None:
    """Sets damaged final weights aside, so that they are made again from the last checkpoint; restores damaged metrics
    from it.

    Raises:
        WorkError: there is no such checkpoint.
    """
    manifest, good = Manifest.read(directory), checkpoints.newest_good()
    if problem := manifest.damage(WEIGHTS):
        if good is None:
            raise WorkError(
                f"{problem}, and no good checkpoint to restore it from; restore it from a copy, or train again "
                "into another directory"
            )
        aside = directory / f"damaged-{WEIGHTS}"
        (directory / WEIGHTS).replace(aside)
        flush_to_disk(directory)
        say(f"{problem} (set aside as {aside.name}); restoring it from the checkpoint of step {good}")
    elif METRICS in manifest.files and (problem := manifest.damage(METRICS)) and good is not None:
        content = (checkpoints.place(good) / METRICS).read_bytes()
        if FileEntry.of(content) == manifest.files[METRICS]:
            write_bytes(directory / METRICS, content)
            say(f"{problem}; restored from the checkpoint of step {good}")
