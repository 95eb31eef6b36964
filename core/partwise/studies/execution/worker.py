"""Does jobs one after the other, each in its own process: `python -m partwise.studies.execution.worker PLACE`.

It reads jobs from its standard input, each as a line of JSON. To its standard output it writes a line
`{"progress": ...}` now and then while a job runs, and a line `{"result": ...}` once the job has ended, however it
ended. The directories of the jobs are made in PLACE. When its standard input closes, because the process that
started it is done or dead, the worker interrupts the job (so that it saves a checkpoint), kills it, and ends.

Torch is imported once, here, and the process of a job is a fork, so that a job starts in 0.1 s instead of 2.3. That
is sound as long as this process has done nothing with torch and has only one thread. If it has more, or the system
does not fork well (macOS, Windows), the process of a job is a fresh one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import monotonic
from typing import Any

from pydantic import BaseModel

from .job_process import block_interrupts, memory_error, run_job
from .jobs import OUTPUT, Job, JobProgress, JobResult, write_result

GRACE = 10.0
"""Seconds that a job has to save a checkpoint when it is interrupted."""
BEAT = 1.0
"""Seconds between two checks of a silent job: whether its time is up, and whether it is still alive."""
LINES, BYTES = 40, 16_384
"""How much of the output of a failed job is kept at most."""


class Stopped(Exception):  # noqa: N818  (it is no error)
    """The job is no longer wanted."""


def serve(place: Path, orders: int, say: Callable[[str], None]) -> None:
    """Does the jobs that are read from the file descriptor `orders` until it closes."""
    lines = os.fdopen(orders, "rb", buffering=0)  # unbuffered, so that `wait` sees what has not been read
    while (line := lines.readline()) and not _closed(orders):
        job = Job.model_validate_json(line)

        def report(progress: JobProgress) -> None:
            say(_line("progress", progress))

        try:
            say(_line("result", attend(job, place / job.identity, report, orders)))
        except Stopped:
            return


def attend(job: Job, directory: Path, report: Callable[[JobProgress], None], orders: int) -> JobResult:
    """Does the job in another process, and returns its result whatever happens to that process.

    Raises:
        Stopped: `orders` was closed meanwhile; the process has ended.
    """
    directory.mkdir(parents=True, exist_ok=True)
    output = directory / OUTPUT
    begins_at = output.stat().st_size if output.exists() else 0
    context = _context()
    messages, sender = context.Pipe(duplex=False)
    process = context.Process(target=run_job, args=(job.model_dump_json(), str(directory), sender))
    begun = monotonic()
    process.start()
    sender.close()
    try:
        last = _listen(job, process, messages, report, orders)
    except Stopped:
        _interrupt(process)
        raise
    except TimeoutError:
        last = {"error": f"timed out after {job.timeout:g} s"}
    finally:
        _kill(process)
        messages.close()
    if "result" in last:
        return JobResult.model_validate(last["result"])
    error = last.get("error") or _explained(process.exitcode, _end_of(output, begins_at), job)
    result = JobResult(
        identity=job.identity,
        state="failed",
        error=error,
        output=_end_of(output, begins_at),
        attempts=job.attempt,
        until=job.until,
        seconds=round(monotonic() - begun, 3),
    )
    with suppress(Exception):  # it is also sent to the study, which writes it as well
        write_result(directory, result)
    return result


def _listen(job: Job, process: Any, messages: Connection, report: Callable[[JobProgress], None], orders: int) -> Any:
    """The last message of the job's process: `{"result": ...}` or `{"error": ...}`; {} if it ended without one.

    Raises:
        TimeoutError: it takes longer than it may.
        Stopped: `orders` was closed.
    """
    deadline = None if job.timeout is None else monotonic() + job.timeout
    # Windows cannot wait for a pipe like this one; there, a job that nobody wants any more is first finished.
    stop = [] if sys.platform == "win32" else [orders]
    while True:
        ready = wait([messages, process.sentinel, *stop], BEAT)
        if orders in ready:
            raise Stopped
        if messages in ready:
            try:
                message = json.loads(messages.recv_bytes())
            except (EOFError, OSError):
                message = {}
            if "progress" not in message:
                wait([process.sentinel], BEAT)  # it is about to end by itself
                return message
            report(JobProgress.model_validate(message["progress"]))
        elif process.sentinel in ready or not process.is_alive():
            return {}
        if deadline is not None and monotonic() > deadline:
            raise TimeoutError


def _closed(orders: int) -> bool:
    """Whether the input has been closed. (Nothing else can have come: the next job is given only after a result.)"""
    return sys.platform != "win32" and bool(wait([orders], 0))


def _context() -> Any:
    threads = Path("/proc/self/task")
    sound = sys.platform == "linux" and threads.is_dir() and len(list(threads.iterdir())) == 1
    return multiprocessing.get_context("fork" if sound else "spawn")


def _interrupt(process: Any) -> None:
    with suppress(OSError, ValueError):
        os.kill(process.pid, signal.SIGINT)
    process.join(GRACE)


def _kill(process: Any) -> None:
    """Ends the process and what it has started; before waiting for it, so that its process id is still its own."""
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.is_alive():
        process.kill()
    process.join()


def _explained(code: int | None, output: str, job: Job) -> str:
    """What can be said of a process that ended without a word, from its exit code and its output."""
    if any(words in output for words in ("bad_alloc", "allocate memory", "MemoryError", "Thread creation failed")):
        return memory_error(job.memory)
    if code is None or code >= 0:
        return f"its process ended with exit code {code} and without a result"
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""
    guess = "; the system may have run out of memory" if code == -9 else ""
    return f"killed by signal {-code}{name}{guess}"


def _end_of(path: Path, begins_at: int) -> str:
    """The last lines of what was written since `begins_at`."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(begins_at, size - BYTES))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-LINES:])


def _line(key: str, value: BaseModel) -> str:
    return f'{{"{key}": {value.model_dump_json()}}}'


def _prepare() -> None:
    """Imports what every job needs, once for all jobs."""
    import partwise.workflow  # noqa: F401
    from partwise.parts.registry import registry

    registry()
    with suppress(ImportError):
        import_module("torch._dynamo")  # the first optimizer would import it, which takes half a second


def main() -> None:
    """Serves jobs from the standard input until it closes."""
    _prepare()
    # Only messages may go to the standard output: what libraries print there is redirected to the standard error.
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    block_interrupts()

    def say(line: str) -> None:
        with suppress(BrokenPipeError):
            print(line, file=messages, flush=True)

    serve(Path(sys.argv[1]), 0, say)


if __name__ == "__main__":
    main()
