"""Safetensors files that several processes write together: each writes its shares at their places in the whole.

The files are, byte for byte, those that one process with all of the tensors would write, so that any number of
processes can read them. PyTorch's distributed checkpoint (`torch.distributed.checkpoint`) plans who writes what, tells
all processes when one fails, and does this beside the training. All need to see the directory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from threading import Event
from typing import Any

from torch import Tensor
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.storage import StorageWriter, WriteResult
from torch.futures import Future

from .safetensors import Layout, StoredTensors, content_of


@dataclass(frozen=True)
class Files:
    """Files that are written together, and what is done in the first process before and after."""

    tensors: Mapping[Path, Mapping[str, Tensor]]
    """Contents of each: DTensors of which this process has a share, and tensors that all have. No name is in two."""
    begin: Callable[[], None]
    """Makes the directory, and writes there what is not tensors."""
    end: Callable[[], None]
    """Called when all is written, and perhaps not yet on the disk itself."""
    undo: Callable[[], None]
    """Removes what is there, after a failure."""

    @property
    def together(self) -> dict[str, Tensor]:
        """The contents of all."""
        return {name: one for tensors in self.tensors.values() for name, one in tensors.items()}


@dataclass
class SharedWriter(StorageWriter):
    """Writes such files, as PyTorch's distributed checkpoint asks it to.

    It is its own stager. Shares on a GPU are copied to the machine's memory first, which is quick; those in memory are
    written from where they are, since a copy would take half as much again of what training holds there. `written` is
    set once they are, or the writing has failed: until then nobody may change them.
    """

    files: Files
    written: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.layouts = {path: Layout.of(tensors) for path, tensors in self.files.tensors.items()}
        self.places = {name: path for path, tensors in self.files.tensors.items() for name in tensors}
        self.shapes = {name: one.shape for name, one in self.files.together.items()}

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Nothing is kept from one checkpoint to the next: each has a writer of its own."""

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        return False  # the files say where they go

    def set_up_storage_writer(self, is_coordinator: bool) -> None:
        """Nothing to set up."""

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """Makes room on the disk for all, in the first process: a full disk is met before anything is written."""
        self.files.begin()
        for path, layout in self.layouts.items():
            with path.open("wb") as file:
                file.write(layout.header)
                file.flush()
                _reserve(file.fileno(), layout.size)
        return plans

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Writes the shares of this process, which a plan names."""
        handles = {path: path.open("r+b", buffering=0) for path in self.layouts}
        try:
            for item in plan.items:
                name = item.index.fqn
                tensor = planner.resolve_data(item)
                assert isinstance(tensor, Tensor), "nothing else is handed over"
                handle = handles[self.places[name]]
                handle.seek(self._begin(name, item.tensor_data.chunk.offsets if item.tensor_data else ()))
                _write_all(handle, content_of(tensor))
            self.written.set()
            for handle in handles.values():
                os.fsync(handle.fileno())
        finally:
            for handle in handles.values():
                handle.close()
        done: Future[list[WriteResult]] = Future()
        done.set_result([])
        return done

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        self.files.end()

    def _begin(self, name: str, offsets: tuple[int, ...]) -> int:
        """Place of a share's first byte; a share is some rows of the whole, so that its bytes are in one piece."""
        assert not any(offsets[1:]), "tensors are split along their first dimension"
        shape, path = self.shapes[name], self.places[name]
        row = prod(shape[1:]) * self.files.tensors[path][name].element_size()
        return self.layouts[path].begins[name] + (offsets[0] * row if offsets else 0)

    # What PyTorch asks of a stager:

    _synchronize_after_execute = False
    should_synchronize_after_execute = False

    def stage(self, state_dict: dict[str, Any]) -> dict[str, Any]:
        if all(not one.is_cuda for one in state_dict.values()):
            return state_dict
        from torch.distributed.checkpoint.staging import BlockingAsyncStager

        copies: dict[str, Any] = BlockingAsyncStager().stage(state_dict)
        self.written.set()
        return copies

    def synchronize_staging(self) -> None:
        self.written.wait()

    def close(self) -> None:
        """Nothing is held."""


def _reserve(handle: int, size: int) -> None:
    """Makes room for a file.

    Raises:
        OSError: there is none.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.ftruncate(handle, size)


def _write_all(handle: Any, content: memoryview) -> None:
    while content:
        content = content[handle.write(content) :]


class SharesOf(Mapping[str, Tensor]):
    """Whole tensors as this process holds them: of those that are split, it has some rows. Nothing else is read of
    tensors that are stored in a file.

    `own` gives the tensor whose split one of a name has, in this process; None if it has none.
    """

    def __init__(self, stored: Mapping[str, Tensor], own: Callable[[str], Tensor | None]) -> None:
        self._stored, self._own = stored, own
        self._shapes = {
            name: one.shape for name, one in (stored.drafts() if isinstance(stored, StoredTensors) else stored).items()
        }

    def __getitem__(self, name: str) -> Tensor:
        from torch.distributed.tensor import DTensor

        own = self._own(name)
        if not isinstance(own, DTensor) or own.shape != self._shapes[name]:
            return self._stored[name]
        (chunk,) = own.__create_chunk_list__()
        begin, end = chunk.offsets[0], chunk.offsets[0] + chunk.sizes[0]
        stored = self._stored
        rows = stored.rows(name, begin, end) if isinstance(stored, StoredTensors) else stored[name][begin:end]
        rows = rows.to(own.device)
        return DTensor.from_local(
            rows, own.device_mesh, own.placements, run_check=False, shape=own.shape, stride=own.stride()
        )

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


__all__ = ["Files", "SharedWriter", "SharesOf"]
