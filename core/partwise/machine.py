"""This machine: devices, memory, cores."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError

if TYPE_CHECKING:
    import torch


def free_memory(device: torch.device) -> int | None:
    """Bytes free on a device; None if there is no telling."""
    if device.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            facts: dict[str, Any] = dict(line.split(":", 1) for line in lines)
        return min(int(facts["MemAvailable"].split()[0]) * 1024, _allowed())
    except (ImportError, OSError, KeyError, ValueError):
        return None


def _allowed() -> int:
    """Bytes that this process may still ask for under the limit it was given (`ulimit -v`)."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    with open("/proc/self/statm", encoding="ascii") as file:
        return max(0, limit - int(file.read().split()[0]) * resource.getpagesize())


def give_freed_back() -> None:
    """Has the C library give the memory of freed tensors back to the system at once, from now on.

    glibc keeps it in order to use it again, and where large tensors of many sizes come and go, as when layers are
    gathered, it comes to keep twice what is used. Other libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # there is no such function, or (on Windows) no such library
        return
    mallopt(_MMAP_THRESHOLD, 2**17)


_MMAP_THRESHOLD = -3
"""The option of glibc's `mallopt` for the size from which memory is asked of the system itself; if it is set, glibc no
longer raises it of its own accord."""


def visible_gpus() -> list[str]:
    """The GPUs that a process started here may use, as CUDA_VISIBLE_DEVICES names them; nothing is asked of CUDA."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [one.strip() for one in named.split(",") if one.strip()]
    return sorted((path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")), key=int)


def torch_device(name: str) -> torch.device:
    """The device called "cpu", "cuda", "cuda:1" ..., or the best there is for "auto".

    Raises:
        InputError: there is no such device here.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type == "meta":  # where tensors have no content
            raise RuntimeError
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"no device {name!r} here; use cpu or auto") from error
    return device


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """Within it PyTorch computes with that many CPU threads; None: with as many as before.

    How many there are decides in which order sums are added up, and with that their last bits.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
