"""Several processes that train one model together, as `torchrun` starts them.

`torchrun --nproc-per-node 4 -m partwise_cli train gpt` runs the same program four times. Each process computes
on its share of every batch. The first alone touches the run's directory and speaks to the user; what it reads
there it sends to the others, so that they may be on machines that do not see its disk. (Importing this module
imports no torch: the command line asks it who speaks.)
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

PATIENCE = timedelta(hours=2)
"""How long processes wait for one another: the others do nothing while the first trains a tokenizer."""


@dataclass(frozen=True)
class Processes:
    """This process among those that train together; by default it is alone."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum of every process's `tensor`, which is overwritten with it."""
        if self.count > 1:
            import torch.distributed as dist

            dist.all_reduce(tensor)
        return tensor

    def total(self, number: int) -> int:
        """The sum of every process's number."""
        if self.count == 1:
            return number
        import torch

        return int(self.sum(torch.tensor(number)))

    def from_first(self, value: T) -> T:
        """The first process's value, in all of them."""
        if self.count == 1:
            return value
        import torch
        import torch.distributed as dist

        values = [value]
        dist.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]

    def of_each(self, value: T) -> list[T]:
        """Every process's value, by rank."""
        if self.count == 1:
            return [value]
        import torch.distributed as dist

        values: list[T] = [value] * self.count
        dist.all_gather_object(values, value)
        return values

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """Runs the block in the first process, and in the others once it is done there."""
        if not self.first:
            self._wait()
        yield
        if self.first:
            self._wait()

    def _wait(self) -> None:
        if self.count > 1:
            import torch.distributed as dist

            dist.barrier()


def processes() -> Processes:
    """This process, among those that it trains with at the moment."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        return Processes(dist.get_rank(), dist.get_world_size())
    return Processes()


def launched() -> bool:
    """Whether this process was started to train together with others."""
    names = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"}
    return names <= os.environ.keys() and os.environ["WORLD_SIZE"] != "1"


def speaks() -> bool:
    """Whether it is this process that tells the user what is going on: alone, or the first of several."""
    return not launched() or os.environ["RANK"] == "0"


def own_device(device: torch.device) -> torch.device:
    """The device for this process where `device` names a kind that its machine has several of.

    Raises:
        InputError: the machine has fewer of them than processes were started on it.
    """
    if not launched() or str(device) != "cuda":
        return device
    import torch

    local = int(os.environ["LOCAL_RANK"])
    if local >= torch.cuda.device_count():
        raise InputError(
            f"process {local} of this machine has no GPU of its own: there are {torch.cuda.device_count()}; "
            "start as many processes as there are GPUs (--nproc-per-node), or say --device cpu"
        )
    return torch.device("cuda", local)


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Within the block, the processes that were launched with this one train together."""
    if not launched():
        yield Processes()
        return
    import torch
    import torch.distributed as dist

    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Numbers that live on the CPU are exchanged there: that takes no wait for the GPU.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    yield Processes(dist.get_rank(), dist.get_world_size())
    # Not after a failure: there the others may be waiting for this one, until the launcher ends them.
    dist.destroy_process_group()


@contextmanager
def one_message() -> Iterator[None]:
    """Of the processes launched together, the first to fail within the block raises its error; others exit quietly.

    One that fails takes the others with it, or all fail alike: the user is told once.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if launched() and _failed_before():
            raise SystemExit(_exit_code(error)) from None
        raise


def _failed_before() -> bool:
    """Whether another process has failed before this one, which has just done so, too."""
    from torch.distributed.rendezvous import rendezvous

    try:
        store, _, _ = next(rendezvous("env://", timeout=timedelta(seconds=10)))
        return bool(store.add("partwise/failures", 1) > 1)
    except (RuntimeError, ValueError):  # the process that kept the store is gone
        return True


def _exit_code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return 130
    return error.exit_code if isinstance(error, PartwiseError) else 1
