"""Several processes that train one model together, as `torchrun` starts them.

`torchrun --nproc-per-node 4 -m partwise_cli train gpt` runs the same program four times. Each process computes
on its share of every batch. Only the first reads and writes the run's directory and writes to the terminal. It sends
the others what they need from the directory, so they may be on machines that do not see its disk; but where each holds
a share of the weights, each reads and writes its own, and all must see the directory. (Importing this module imports no
torch: the command line uses it.)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from partwise.errors import InputError, PartwiseError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

TIMEOUT = timedelta(hours=2)
"""How long processes wait for one another. It is long, since they wait while the first trains a tokenizer."""


@dataclass(frozen=True)
class Processes:
    """Where this process stands among those that train together; by default it is the only one."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and speaks to the user."""
        return self.rank == 0

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum of all processes' tensors, written into `tensor`."""
        if self.count > 1:
            import torch.distributed as dist

            dist.all_reduce(tensor)
        return tensor

    def total(self, number: int) -> int:
        """The sum of all processes' numbers."""
        if self.count == 1:
            return number
        import torch

        return int(self.sum(torch.tensor(number)))

    def from_first(self, value: T) -> T:
        """The first process's value, sent to all."""
        if self.count == 1:
            return value
        import torch
        import torch.distributed as dist

        values = [value]
        dist.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]

    def from_each(self, value: T) -> list[T]:
        """The values of all processes, by rank."""
        if self.count == 1:
            return [value]
        import torch.distributed as dist

        values: list[T] = [value] * self.count
        dist.all_gather_object(values, value)
        return values

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """Runs the block in the first process, and then in the others."""
        if not self.first:
            self._wait()
        yield
        if self.first:
            self._wait()

    def _wait(self) -> None:
        if self.count > 1:
            import torch.distributed as dist

            dist.barrier()


def current_processes() -> Processes:
    """The processes that train together at the moment, seen from this one."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        return Processes(dist.get_rank(), dist.get_world_size())
    return Processes()


def launched_by_torchrun() -> bool:
    """Whether this process was started to train together with others."""
    names = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"}
    return names <= os.environ.keys() and os.environ["WORLD_SIZE"] != "1"


def processes_here() -> int:
    """How many of the processes that train together are on this machine, as far as `torchrun` says."""
    if not launched_by_torchrun():
        return 1
    return int(os.environ.get("LOCAL_WORLD_SIZE", os.environ["WORLD_SIZE"]))


def speaks_to_user() -> bool:
    """Whether this process tells the user what is going on; of several, only the first does."""
    return not launched_by_torchrun() or os.environ["RANK"] == "0"


def local_device(device: torch.device) -> torch.device:
    """The device of this process: its own GPU if `device` is "cuda" and several processes share the machine.

    Raises:
        InputError: the machine has fewer GPUs than processes.
    """
    if not launched_by_torchrun() or str(device) != "cuda":
        return device
    import torch

    local = int(os.environ["LOCAL_RANK"])
    if local >= torch.cuda.device_count():
        raise InputError(
            f"process {local} of this machine has no GPU of its own: there are {torch.cuda.device_count()}; "
            "start as many processes as there are GPUs (--nproc-per-node), or use --device cpu"
        )
    return torch.device("cuda", local)


@contextmanager
def process_group(device: torch.device) -> Iterator[Processes]:
    """Connects this process to those that `torchrun` started with it; yields how they stand."""
    if not launched_by_torchrun():
        yield Processes()
        return
    import torch
    import torch.distributed as dist

    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Tensors on the CPU are exchanged by gloo, which needs no wait for the GPU.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=TIMEOUT)
    yield Processes(dist.get_rank(), dist.get_world_size())
    # Not after a failure: the others may be waiting for this process until torchrun ends them.
    dist.destroy_process_group()


@contextmanager
def one_error_message() -> Iterator[None]:
    """Lets only the first process that fails in the block raise its error; the others exit quietly.

    When one process fails, the others fail with it, or for the same reason. The user should read it once.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if launched_by_torchrun() and _failed_before():
            raise SystemExit(_exit_code(error)) from None
        raise


def _failed_before() -> bool:
    """Whether another process has failed before this one; registers the failure of this one."""
    from torch.distributed.rendezvous import rendezvous

    try:
        store, _, _ = next(rendezvous("env://", timeout=timedelta(seconds=10)))
        return bool(store.add("partwise/failures", 1) > 1)
    except (RuntimeError, ValueError):  # the process that held the store is gone
        return True


def _exit_code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return 130
    return error.exit_code if isinstance(error, PartwiseError) else 1
