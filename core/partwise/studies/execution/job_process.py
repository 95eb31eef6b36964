"""What happens inside the process of one job: it sets limits, does the work and reports how it went."""

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


def run_job(text: str, place: str, messages: Connection) -> None:
    """Does the job `text` (JSON) in the directory `place`; reports on it as JSON through the connection `messages`."""
    job, directory = Job.model_validate_json(text), Path(place)
    _isolate(directory / OUTPUT)
    print(f"--- {job.title}: begun {datetime.now().isoformat(' ', 'seconds')}", flush=True)

    def report(progress: JobProgress) -> None:
        _send(messages, {"progress": progress.model_dump(mode="json")})

    try:
        _accept_interrupts()
        result = _done(job, directory, report)
        message: dict[str, object] = {"result": result.model_dump(mode="json")}
    except BaseException as error:
        _lift_limits()
        traceback.print_exc()
        message = {"error": _in_a_line(error, job)}
    sys.stdout.flush()
    sys.stderr.flush()
    _send(messages, message)


def _done(job: Job, directory: Path, report: Callable[[JobProgress], None]) -> JobResult:
    import torch

    from .measuring import train_and_measure

    if job.threads is not None:
        torch.set_num_threads(job.threads)
    _wait_for_others(directory)
    if job.memory is not None:
        _limit_memory(job.memory)
    result = train_and_measure(job, directory, report)
    write_result(directory, result)
    return result


def _isolate(output: Path) -> None:
    """Puts the process in its own group, so that what it starts ends with it, and redirects what it writes to `output`.

    The process ends when its parent does.
    """
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


_FOR_ALL = {signal.SIGINT, signal.SIGTERM}
"""Signals that a terminal or a cluster sends to every process of a study."""


def block_interrupts() -> None:
    """Keeps a Ctrl-C, which reaches every process of a terminal, and a cluster's SIGTERM from ending the worker: it
    ends when its input closes.

    Where the system allows it, the signals are blocked rather than ignored. The process of a job inherits that, and if
    it is interrupted before it is ready, the signal waits for it instead of being lost.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_ALL)
        # In the background it may be ignored, as shells have it. Whoever forks the processes of jobs would have each
        # ignore it once more at its start, which throws away a signal that is waiting.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _accept_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_ALL)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


def _wait_for_others(directory: Path) -> None:
    """Waits until no other process trains in the directory: one that was interrupted may still be saving."""
    with suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            lock(handle, wait=True)
        finally:
            os.close(handle)


def _limit_memory(size: int) -> None:
    """Limits what the process allocates to `size` bytes. Mapped files and libraries do not count.

    (RLIMIT_AS would also count the gigabytes of addresses that torch and CUDA reserve and never touch.)
    """
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (size, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _lift_limits() -> None:
    """Makes room to report what happened."""
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


def _send(messages: Connection, message: object) -> None:
    with suppress(OSError):  # nobody listens any more: the process is about to be ended
        messages.send_bytes(json.dumps(message).encode())


__all__ = ["block_interrupts", "memory_error", "run_job"]
