"""Files of a run that several processes write together, while their training goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch.distributed as dist
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_saver import async_save

from partwise.errors import WorkError
from partwise.storage.in_shares import Files, SharedWriter, SharesOf

if TYPE_CHECKING:
    from concurrent.futures import Future

    from torch.distributed import ProcessGroup


class Saving:
    """Something that is being written. It is there when every process has written its shares, and whole or not at
    all."""

    def __init__(self, writer: SharedWriter, future: Future[Any], told: Callable[[Exception], WorkError]) -> None:
        self._writer, self._future, self._told = writer, future, told

    def wait_to_change(self) -> None:
        """Waits until the tensors may be changed: this process has written its shares, or has a copy of them."""
        self._writer.written.wait()

    @property
    def done(self) -> bool:
        return self._future.done()

    def finish(self) -> None:
        """Waits for its end.

        Raises:
            WorkError: it could not be written, by this process or by another; what was there before is intact.
        """
        try:
            self._future.result()
        except CheckpointException as error:
            self._undo()
            found = [one for one, _ in error.failures.values() if isinstance(one, OSError | WorkError)]
            raise self._told(found[0] if found else WorkError(str(error))) from error
        except (RuntimeError, OSError) as error:  # a process that was to write is gone
            self._undo()
            raise self._told(WorkError(f"another process ended while it was to write ({error})")) from error

    def _undo(self) -> None:
        if dist.get_rank() == 0:
            self._writer.files.undo()


def write_in_shares(files: Files, group: ProcessGroup, told: Callable[[Exception], WorkError]) -> Saving:
    """Begins to write files, in all processes at once.

    Args:
        group: the processes, connected by gloo for this alone: they exchange messages while others train.
        told: the error to raise for a failure.
    """
    writer = SharedWriter(files)
    future: Any = async_save(files.together, storage_writer=writer, process_group=group)
    future.add_done_callback(lambda _: writer.written.set())
    return Saving(writer, future, told)


__all__ = ["Saving", "SharesOf", "write_in_shares"]
