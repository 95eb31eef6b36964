"""One checkpoint: its contents, written to a directory and read back once they are verified."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise.errors import WorkError
from partwise.storage.atomic import flush_to_disk, read_json

from .layout import MANIFEST, METRICS, OPTIMIZER, STATE, WEIGHTS
from .manifest import FileEntry, Manifest

if TYPE_CHECKING:
    from torch import Tensor

    from .weights import OptimizerState

FILES = (STATE, METRICS, WEIGHTS, OPTIMIZER)


@dataclass(frozen=True)
class Checkpoint:
    """The contents of a checkpoint: all that training needs to continue after update `step`."""

    step: int
    model: Mapping[str, Tensor]
    """Parameters and persistent buffers by name."""
    optimizer: OptimizerState
    metrics: bytes
    """The rows logged so far, as their file holds them."""
    extra: Mapping[str, Any]
    """JSON values of the trainer's own."""
    valid_loss: float | None = None
    """Validation loss after this update, if it was evaluated then."""
    source: Path = Path()
    """The directory it was read from."""


def write(place: Path, saved: Checkpoint, run: str) -> None:
    """Writes a checkpoint of the run with identity `run` to the new directory `place`, and waits for the disk.

    Raises:
        OSError: it could not be written.
    """
    from partwise.storage.safetensors import fill_file

    begin(place, saved)
    for path, tensors in contents(place, saved).items():
        fill_file(path, tensors)
    settle(place, run)


def begin(place: Path, saved: Checkpoint) -> None:
    """Makes the new directory `place`, and writes there all of a checkpoint but its tensors. Raises OSError."""
    state = {
        "step": saved.step,
        "valid_loss": saved.valid_loss,
        "optimizer": saved.optimizer.numbers,
        "extra": saved.extra,
    }
    place.mkdir()
    (place / STATE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    (place / METRICS).write_bytes(saved.metrics)


def contents(place: Path, saved: Checkpoint) -> dict[Path, Mapping[str, Tensor]]:
    """The files of tensors of a checkpoint in the directory `place`."""
    return {place / WEIGHTS: saved.model, place / OPTIMIZER: saved.optimizer.tensors}


def settle(place: Path, run: str) -> None:
    """Waits until the files of a checkpoint are on the disk itself, and lists them in its manifest. Raises OSError."""
    with ThreadPoolExecutor(len(FILES)) as pool:  # waits for the disk and hashes, all at once
        entries = pool.map(_settled, [place / name for name in FILES])
        manifest = Manifest(place, dict(zip(FILES, entries, strict=True)), run)
    (place / MANIFEST).write_text(json.dumps(manifest.as_json(), indent=2) + "\n", encoding="utf-8")
    flush_to_disk(place / MANIFEST)
    flush_to_disk(place)


def read(place: Path, step: int, run: str) -> Checkpoint:
    """The checkpoint of `step` in the directory `place`; its tensors are read when they are asked for.

    Raises:
        WorkError: it is damaged, or not the one that it should be.
        OSError: it cannot be read.
    """
    verify(place, run)
    return read_verified(place, step)


def read_verified(place: Path, step: int) -> Checkpoint:
    """`read` of a checkpoint that another process has verified.

    Raises:
        WorkError: it is not the one that it should be.
        OSError: it cannot be read.
    """
    from partwise.storage.safetensors import StoredTensors

    from .weights import OptimizerState

    state = read_json(place / STATE)
    numbers, extra = state.get("optimizer"), state.get("extra")
    if state.get("step") != step or not isinstance(numbers, dict) or not isinstance(extra, dict):
        raise WorkError(f"{place / STATE} was not written by partwise, or is that of another checkpoint")
    optimizer = OptimizerState(StoredTensors([place / OPTIMIZER]), numbers)
    metrics = (place / METRICS).read_bytes()
    return Checkpoint(step, StoredTensors([place / WEIGHTS]), optimizer, metrics, extra, _loss(state), place)


def read_valid_loss(place: Path, run: str) -> float | None:
    """The validation loss noted in a checkpoint, without reading the rest.

    Raises:
        WorkError: the file that holds it is damaged, or the checkpoint is another run's.
    """
    verify(place, run, (STATE,))
    return _loss(read_json(place / STATE))


def verify(place: Path, run: str, names: Iterable[str] = FILES) -> None:
    """Makes sure that these files are what was written there by `run`.

    Raises:
        WorkError: one is not, which is named; or the checkpoint is another run's.
    """
    if place.is_symlink() or not place.is_dir():
        raise WorkError(f"{place} is not a directory of its own")
    manifest = Manifest.read(place)
    if manifest.run != run:
        raise WorkError(f"{place} is the checkpoint of another run")
    manifest.verify(names)


def _loss(state: dict[str, Any]) -> float | None:
    loss = state.get("valid_loss")
    return loss if isinstance(loss, float) and math.isfinite(loss) else None


def _settled(path: Path) -> FileEntry:
    """A file's entry, once it is on the disk itself."""
    flush_to_disk(path)
    return FileEntry.of_file(path)
