"""What happens inside the process of one job: limits, the work, and a word on how it went."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

from partwise.storage.locks import lock

from .jobs import OUTPUT, Job, JobProgress, JobResult, write_result

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc")


def inside(text: str, place: str, told: Connection) -> None:
    """Does the job `text` (JSON) in the directory `place`; tells of it as JSON through the connection `told`."""
    job, directory = Job.model_validate_json(text), Path(place)
    _be_a_process_of_its_own(directory / OUTPUT)
    print(f"--- {job.title}: begun {datetime.now().isoformat(' ', 'seconds')}", flush=True)

    def tell(progress: JobProgress) -> None:
        _send(told, {"progress": progress.model_dump(mode="json")})

    try:
        _heed_interrupts()
        result = _done(job, directory, tell)
        message: dict[str, object] = {"result": result.model_dump(mode="json")}
    except BaseException as error:
        _lift_limits()
        traceback.print_exc()
        message = {"error": _in_a_line(error, job)}
    sys.stdout.flush()
    sys.stderr.flush()
    _send(told, message)


def _done(job: Job, directory: Path, tell: Callable[[JobProgress], None]) -> JobResult:
    import torch

    from .measuring import train_and_measure

    if job.threads is not None:
        torch.set_num_threads(job.threads)
    _wait_for_others(directory)
    if job.memory is not None:
        _limit_memory(job.memory)
    result = train_and_measure(job, directory, tell)
    write_result(directory, result)
    return result


def _be_a_process_of_its_own(output: Path) -> None:
    """Its own group, so that what it starts can be ended with it; its own output; no life after its parent's."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def heed_no_interrupt() -> None:
    """For the worker: a Ctrl-C reaches every process of a terminal, but the worker ends when its input closes.

    The signal is blocked, not ignored, where there is a difference: a job's process inherits that, and one that is
    interrupted before it is ready for it finds the signal waiting, instead of training on for nobody.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


def _wait_for_others(directory: Path) -> None:
    """Until a process that was told to end, and still trains in the directory, has ended."""
    with suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            lock(handle, wait=True)
        finally:
            os.close(handle)


def _limit_memory(size: int) -> None:
    """At most `size` bytes of memory of its own: what it allocates, not what it maps of files and libraries.

    (RLIMIT_AS would count the gigabytes of addresses that torch and CUDA reserve and never touch.)
    """
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (size, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _lift_limits() -> None:
    """Room to say what happened."""
    if sys.platform == "linux":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def _in_a_line(error: BaseException, job: Job) -> str:
    from partwise.errors import PartwiseError

    text = str(error).strip()
    first = text.partition("\n")[0]
    if isinstance(error, MemoryError) or any(words in text.lower() for words in _OUT_OF_MEMORY):
        return memory_error(job.memory)
    if isinstance(error, PartwiseError):
        return first
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def memory_error(cap: int | None) -> str:
    """`out of memory (cap 2 GB)`."""
    return "out of memory" if cap is None else f"out of memory (cap {cap / 1e9:.3g} GB)"


def _send(told: Connection, message: object) -> None:
    with suppress(OSError):  # nobody listens any more: the process is about to be ended
        told.send_bytes(json.dumps(message).encode())


__all__ = ["heed_no_interrupt", "inside", "memory_error"]
