"""The side that starts a worker: gives it one job after the other and reads what it says about them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

from partwise.errors import WorkError

from .jobs import Job, JobProgress, JobResult

PATIENCE = 20.0
"""Seconds that a worker has to end once its input is closed; saving a checkpoint takes a few."""


class Worker:
    """A process `python -m partwise.studies.execution.worker`. Once `select` finds it readable, `hear` returns."""

    def __init__(self, place: Path, threads: int, gpu: str | None = None) -> None:
        """Starts the process. It does its jobs in directories within `place`, each with so many threads.

        Args:
            gpu: the only GPU that it sees, as CUDA_VISIBLE_DEVICES names it; None: all that this process sees.
        """
        alone = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the worker)
        self._unread = b""
        # -P: files in the current directory must not be taken for libraries.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "partwise.studies.execution.worker", str(place.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **_surroundings(threads), **alone},
        )
        assert self._process.stdin is not None, "a pipe was asked for"
        assert self._process.stdout is not None, "a pipe was asked for"
        self._orders, self._messages = self._process.stdin, self._process.stdout

    def give(self, job: Job) -> None:
        """Gives it a job, which it does once it has done the one before."""
        with suppress(BrokenPipeError):  # it has ended, as `hear` is about to say
            self._orders.write(job.model_dump_json().encode() + b"\n")
            self._orders.flush()

    def fileno(self) -> int:
        return self._messages.fileno()

    def hear(self) -> list[JobProgress | JobResult]:
        """What it has said since the last call; waits until there is something.

        Raises:
            WorkError: the process has ended; says why.
        """
        read = os.read(self.fileno(), 1 << 16)
        if not read:
            raise WorkError(self._last_words())
        *lines, self._unread = (self._unread + read).split(b"\n")
        return [_message(line) for line in lines]

    def close(self) -> None:
        """Ends the process, and the job it is doing."""
        with suppress(OSError):
            self._orders.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._messages.close()
        self._errors.close()

    def _last_words(self) -> str:
        code = self._process.wait(PATIENCE)
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        end = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"the worker {end}" + (f": {lines[-1]}" if lines else "")


def heard(workers: Iterable[Worker], seconds: float | None = None) -> list[Worker]:
    """The workers that have something to say; waits at most so many seconds for one, or as long as it takes."""
    with DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker, EVENT_READ, worker)
        return [key.data for key, _ in selector.select(seconds)]


def close_all(workers: list[Worker]) -> None:
    """Ends several workers at once, so that none waits while another saves its checkpoint."""
    for worker in workers:
        with suppress(OSError):
            worker._orders.close()
    for worker in workers:
        worker.close()


def _surroundings(threads: int) -> dict[str, str]:
    return {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        # A process with threads does not fork well, and numpy's OpenBLAS starts its threads as it is loaded. Nor does a
        # process that has asked CUDA whether there is a GPU; asking the driver's library (NVML) is harmless.
        "OPENBLAS_NUM_THREADS": "1",
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }


def _message(line: bytes) -> JobProgress | JobResult:
    message = json.loads(line)
    if "progress" in message:
        return JobProgress.model_validate(message["progress"])
    return JobResult.model_validate(message["result"])


__all__ = ["Worker", "close_all", "heard"]
