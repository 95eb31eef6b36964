"""A run: one recipe trained with one seed, as a directory.

recipe.json         the resolved recipe, every default written out
tokenizer.json      the tokenizer, to be restored without its texts
lock.json           what it was trained with: distributions, versions, platform, hash of the data
metrics.jsonl       one row per line; ends identical whether or not the run was ever interrupted
checkpoint-STEP/    where an interrupted run continues: model.safetensors, optimizer.safetensors, state.json
model.safetensors   the final weights: there once the run is finished

Files are replaced whole, and a checkpoint appears by renaming its finished directory, so that a run killed
at any moment holds a good checkpoint. One process at a time trains in it (`alone_in`). (Importing this module
imports no torch: reports only read rows.)
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError, PartwiseError, WorkError
from .files import flush_to_disk, read_json, write_json
from .rows import Row, Rows

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

RECIPE, TOKENIZER, LOCK, METRICS = "recipe.json", "tokenizer.json", "lock.json", "metrics.jsonl"
WEIGHTS, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
NOT_TRAINED = ("name", "about", "sampler")
"""Labels, and what acts after training: two recipes that differ only here train the same thing."""

_PARTIAL = re.compile(
    rf"\.({'|'.join(map(re.escape, (RECIPE, TOKENIZER, LOCK, METRICS, WEIGHTS)))}|checkpoint-\d+)\..*partial"
)


class Run:
    """A run's directory; make one with `Run.create` or `Run.open`."""

    def __init__(
        self, directory: Path, recipe: dict[str, Any], tokenizer: dict[str, Any], lock: dict[str, Any]
    ) -> None:
        self.directory = directory
        self.recipe = recipe
        self.tokenizer = tokenizer
        self.lock = lock
        self._metrics = Rows(directory / METRICS)

    @classmethod
    def create(cls, directory: Path, recipe: dict[str, Any], tokenizer: dict[str, Any], lock: dict[str, Any]) -> Run:
        """Starts a run, or takes up the one that `directory` holds if it is of the same recipe.

        Of a run taken up, the lock stays the one it was started with; one that has trained nothing yet is started
        anew, on whatever the data is now.

        Raises:
            InputError: the directory holds a run of another recipe, or files of something else.
            WorkError: it cannot be written.
        """
        files = {TOKENIZER: tokenizer, LOCK: lock}
        if (directory / RECIPE).exists():
            _refuse_another(directory, read_json(directory / RECIPE), recipe)
            if not (_checkpoints(directory) or (directory / WEIGHTS).exists()):
                for name in files:
                    (directory / name).unlink(missing_ok=True)
            elif (directory / TOKENIZER).exists() and read_json(directory / TOKENIZER) != _as_json(tokenizer):
                raise InputError(
                    f"{directory} holds a run whose tokenizer is another: the texts have changed since it was "
                    "started; train into another directory"
                )
        else:
            _refuse_foreign(directory)
            _make(directory)
            write_json(directory / RECIPE, recipe)
        for name, content in files.items():
            if not (directory / name).exists():
                write_json(directory / name, content, indent=None if name == TOKENIZER else 2)
        return cls.open(directory)

    @classmethod
    def open(cls, directory: Path) -> Run:
        """The run that `directory` holds.

        Raises:
            InputError: it holds none.
            WorkError: a file of it is damaged.
        """
        if not (directory / RECIPE).is_file():
            raise InputError(f"{directory} holds no run: there is no {RECIPE} in it")
        recipe, tokenizer, lock = (read_json(directory / name) for name in (RECIPE, TOKENIZER, LOCK))
        return cls(directory, recipe, tokenizer, lock)

    @property
    def finished(self) -> bool:
        """Whether the final weights are there."""
        return (self.directory / WEIGHTS).is_file()

    @property
    def step(self) -> int:
        """Updates that the newest checkpoint holds; 0 if there is none."""
        return max(_checkpoints(self.directory), default=0)

    def log(self, row: Row) -> None:
        """Appends a row to the metrics; `step`, the updates done, is in every row."""
        self._metrics.append(row)

    def rows(self) -> list[dict[str, Any]]:
        """Every row logged so far."""
        return self._metrics.all()

    def save_checkpoint(self, step: int, model: nn.Module, optimizer: Optimizer) -> None:
        """Keeps all that training needs to continue after update `step`, in place of the checkpoint before.

        Raises:
            WorkError: it could not be written; the checkpoint before is intact.
        """
        from .weights import model_tensors, optimizer_tensors, write_tensors

        place = self._checkpoint(step)
        if place.exists():
            return  # training is deterministic: it is this very checkpoint
        partial = place.with_name(f".{place.name}.partial")
        tensors, numbers = optimizer_tensors(model, optimizer)
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            write_tensors(partial / WEIGHTS, model_tensors(model))
            write_tensors(partial / OPTIMIZER, tensors)
            write_json(partial / STATE, {"step": step, "optimizer": numbers})
            self._metrics.flush()
            partial.rename(place)
            flush_to_disk(self.directory)
        except (OSError, WorkError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            reason = str(error) if isinstance(error, WorkError) else f"cannot write {place}: {error.strerror}"
            raise WorkError(f"{reason}; {self._last_good()}") from error
        for older in _checkpoints(self.directory):
            if older < step:
                shutil.rmtree(self._checkpoint(older), ignore_errors=True)

    def load_checkpoint(self, model: nn.Module, optimizer: Optimizer) -> int:
        """Restores the newest checkpoint and forgets the rows logged after it; returns its step.

        Without a checkpoint, forgets all rows and returns 0.

        Raises:
            WorkError: the checkpoint is damaged, or another model's.
        """
        step = self.step
        if step:
            from .weights import fill_model, fill_optimizer, read_tensors

            place = self._checkpoint(step)
            try:
                state = read_json(place / STATE)
                fill_model(model, read_tensors(place / WEIGHTS), place / WEIGHTS)
                fill_optimizer(model, optimizer, read_tensors(place / OPTIMIZER), state["optimizer"])
            except PartwiseError as error:
                raise WorkError(f"{error}; to train from the start, remove {place}") from error
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise WorkError(
                    f"{place} is damaged, or was not written by partwise; to train from the start, remove it"
                ) from error
        self._metrics.forget_after(step or -1)
        return step

    def finish(self, model: nn.Module) -> None:
        """Writes the final weights, which makes the run finished."""
        from .weights import model_tensors, write_tensors

        write_tensors(self.directory / WEIGHTS, model_tensors(model))

    def load_weights(self, model: nn.Module) -> None:
        """Fills `model` with the final weights; with those of the newest checkpoint if the run is not finished.

        Raises:
            WorkError: there are neither, or they are damaged or another model's.
        """
        from .weights import fill_model, read_tensors

        path = self.directory / WEIGHTS if self.finished else self._checkpoint(self.step) / WEIGHTS
        if not path.is_file():
            raise WorkError(f"{self.directory} holds no weights yet: its training has not reached a checkpoint")
        try:
            fill_model(model, read_tensors(path), path)
        except PartwiseError as error:
            raise WorkError(
                f"{error}; restore it from a copy, or remove it and train again with the command that made the run"
            ) from error

    def _checkpoint(self, step: int) -> Path:
        return self.directory / f"checkpoint-{step}"

    def _last_good(self) -> str:
        return f"the checkpoint of step {self.step} is intact" if self.step else "there is no earlier checkpoint"


def _checkpoints(directory: Path) -> list[int]:
    """The steps that there are checkpoints of."""
    names = (re.fullmatch(r"checkpoint-(\d+)", path.name) for path in directory.iterdir())
    return sorted(int(match[1]) for match in names if match)


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Keeps other processes from training in `directory`, which is made if need be, for the length of a `with` block.

    Two would write the same files at once. The system ends the claim with the process, however it ends. What a
    process that was killed left half-written is removed.

    Raises:
        InputError: it is a file.
        WorkError: another process is training in it, or it cannot be made.
    """
    if sys.platform == "win32":  # has no such lock
        _make(directory)
        yield
        return
    import fcntl

    _make(directory)
    handle = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkError(
                f"another process is training in {directory}; wait until it ends, or train into another directory"
            ) from None
        except OSError:  # some network file systems have no locks
            pass
        else:
            _sweep(directory)
        yield
    finally:
        os.close(handle)


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"{directory} is a file; a run needs a directory") from None
    except OSError as error:
        raise WorkError(f"cannot make the directory {directory}: {error.strerror}") from error


def _sweep(directory: Path) -> None:
    """Removes what was being written when a process was killed."""
    for left in directory.iterdir():
        if not _PARTIAL.fullmatch(left.name):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _as_json(value: dict[str, Any]) -> dict[str, Any]:
    """As it would be read back: tuples as lists, keys as strings."""
    read: dict[str, Any] = json.loads(json.dumps(value))
    return read


def _refuse_another(directory: Path, there: dict[str, Any], here: dict[str, Any]) -> None:
    difference = first_difference(_trained(there), _trained(_as_json(here)))
    if difference is not None:
        raise InputError(
            f"{directory} holds a run of another recipe: {difference}; train into another directory, or remove this one"
        )


def _trained(recipe: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in recipe.items() if key not in NOT_TRAINED}


def _refuse_foreign(directory: Path) -> None:
    """Refuses a directory without a recipe where files would be overwritten that are not this run's."""
    for name in (TOKENIZER, LOCK, METRICS, WEIGHTS):
        if (directory / name).exists():
            raise InputError(
                f"{directory} holds {name} but no {RECIPE}: it is not a run's; train into another directory"
            )


def first_difference(there: Any, here: Any, path: str = "") -> str | None:
    """Where two JSON values first differ, in words: `trainer.steps is 600 there and 800 here`; None if nowhere."""
    if isinstance(there, dict) and isinstance(here, dict):
        pairs = [(f"{path}.{key}".lstrip("."), there.get(key, ...), here.get(key, ...)) for key in {**there, **here}]
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        pairs = [(f"{path}.{index}", *pair) for index, pair in enumerate(zip(there, here, strict=True))]
    elif there == here and type(there) is type(here):
        return None
    else:
        return f"{path} is {_shown(there)} there and {_shown(here)} here"
    return next((found for name, a, b in pairs if (found := first_difference(a, b, name))), None)


def _shown(value: Any) -> str:
    text = "missing" if value is ... else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
