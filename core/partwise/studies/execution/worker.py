"""Does jobs, one after the other, each in a process of its own: `python -m partwise.studies.execution.worker PLACE`.

It reads jobs from its standard input, one as JSON a line, and writes to its standard output, a line each,
`{"progress": ...}` as a job goes and `{"result": ...}` once it has ended, however it ended. The jobs' directories
are made in PLACE. When its standard input closes, because whoever started it is done or dead, what it was doing
is interrupted (so that a checkpoint is kept), then killed, and it ends.

Torch is imported once, here, and a job's process is a fork that begins with it: 0.1 s instead of 2.3. That is sound
as long as this process has done nothing with torch and has one thread only; where it has more, or the system is
none that forks well (macOS, Windows), a job's process is started afresh.
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

from .job_process import heed_no_interrupt, inside, memory_error
from .jobs import OUTPUT, Job, JobProgress, JobResult, write_result

GRACE = 10.0
"""Seconds that a job has to keep a checkpoint when it is interrupted."""
BEAT = 1.0
"""Seconds between two looks at a job that says nothing: at the time it takes, and whether it still lives."""
LINES, BYTES = 40, 16_384
"""How much of a failed job's output is kept, at most."""


class Stopped(Exception):  # noqa: N818  (it is no error)
    """Whoever gave the job wants it no longer."""


def serve(place: Path, orders: int, say: Callable[[str], None]) -> None:
    """Does the jobs that are read from the file descriptor `orders` until it closes."""
    lines = os.fdopen(orders, "rb", buffering=0)  # unbuffered: what has not been read is seen by `wait`
    while (line := lines.readline()) and not _closed(orders):
        job = Job.model_validate_json(line)

        def tell(progress: JobProgress) -> None:
            say(_line("progress", progress))

        try:
            say(_line("result", attend(job, place / job.identity, tell, orders)))
        except Stopped:
            return


def attend(job: Job, directory: Path, tell: Callable[[JobProgress], None], orders: int) -> JobResult:
    """Has the job done by another process, whatever may befall it.

    Raises:
        Stopped: `orders` closed meanwhile; the process has ended.
    """
    directory.mkdir(parents=True, exist_ok=True)
    output = directory / OUTPUT
    begins_at = output.stat().st_size if output.exists() else 0
    context = _context()
    heard, told = context.Pipe(duplex=False)
    process = context.Process(target=inside, args=(job.model_dump_json(), str(directory), told))
    begun = monotonic()
    process.start()
    told.close()
    try:
        last = _listen(job, process, heard, tell, orders)
    except Stopped:
        _interrupt(process)
        raise
    except TimeoutError:
        last = {"error": f"timed out after {job.timeout:g} s"}
    finally:
        _kill(process)
        heard.close()
    if "result" in last:
        return JobResult.model_validate(last["result"])
    error = last.get("error") or _told_by(process.exitcode, _end_of(output, begins_at), job)
    result = JobResult(
        identity=job.identity,
        state="failed",
        error=error,
        output=_end_of(output, begins_at),
        attempts=job.attempt,
        seconds=round(monotonic() - begun, 3),
    )
    with suppress(Exception):  # it is on its way to the study, which keeps it as well
        write_result(directory, result)
    return result


def _listen(job: Job, process: Any, heard: Connection, tell: Callable[[JobProgress], None], orders: int) -> Any:
    """What the job's process said last: `{"result": ...}` or `{"error": ...}`; {} if it ended without a word.

    Raises:
        TimeoutError: it takes longer than it may.
        Stopped: `orders` closed.
    """
    deadline = None if job.timeout is None else monotonic() + job.timeout
    # Windows cannot wait for a pipe like this one; there, a job ends before it is noticed that nobody wants it.
    stop = [] if sys.platform == "win32" else [orders]
    while True:
        ready = wait([heard, process.sentinel, *stop], BEAT)
        if orders in ready:
            raise Stopped
        if heard in ready:
            try:
                message = json.loads(heard.recv_bytes())
            except (EOFError, OSError):
                message = {}
            if "progress" not in message:
                wait([process.sentinel], BEAT)  # it is about to end by itself
                return message
            tell(JobProgress.model_validate(message["progress"]))
        elif process.sentinel in ready or not process.is_alive():
            return {}
        if deadline is not None and monotonic() > deadline:
            raise TimeoutError


def _closed(orders: int) -> bool:
    """Whether whoever gave a job has gone since; another job is not given before the result of this one."""
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
    """Ends the process and what it has started; before it is waited for, so that its number is still its own."""
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.is_alive():
        process.kill()
    process.join()


def _told_by(code: int | None, output: str, job: Job) -> str:
    """What the end of a process that said nothing tells."""
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
    """Imports what every job needs, once for all of them."""
    import partwise.workflow  # noqa: F401
    from partwise.parts.registry import registry

    registry()
    with suppress(ImportError):
        import_module("torch._dynamo")  # half of a second: the first optimizer would import it


def main() -> None:
    """What `python -m partwise.studies.execution.worker PLACE` does."""
    _prepare()
    # Nothing but messages may reach whoever reads them: what libraries print goes to the errors.
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    heed_no_interrupt()

    def say(line: str) -> None:
        with suppress(BrokenPipeError):
            print(line, file=messages, flush=True)

    serve(Path(sys.argv[1]), 0, say)


if __name__ == "__main__":
    main()
