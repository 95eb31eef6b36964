"""Jobs of a Slurm cluster, through submitit: each run is one of them, in the study's pool, which all nodes must see.

A study that is stopped cancels its jobs, which save a checkpoint. One that is killed cannot; the next call cancels what
it finds of them before it submits the same runs again. Beside a run stands `slurm.json`, with the number of its job.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any, Literal

from partwise import InputError, PartwiseError
from partwise.storage import read_json, write_json
from partwise.studies import Job, JobProgress, JobResult

from .slurm_task import do_here

BEAT = 1.0
"""Seconds between two looks at the jobs; submitit asks Slurm itself less often."""
NOTE, LOGS = "slurm.json", ".slurm"


@dataclass(frozen=True)
class SlurmEngine:
    """Submits at most `slots` jobs at a time."""

    slots: int
    partition: str | None = None
    time: int = 60
    """Minutes."""
    gpus: int = 0
    cpus: int = 1
    memory: float | None = None
    """GB of a job; None: the cluster's default."""
    setup: tuple[str, ...] = ()
    cluster: Literal["slurm", "local"] = "slurm"
    """`local` does the same on this machine, without Slurm: for trying it out."""
    beat: float = BEAT

    def run(
        self, jobs: Iterable[Job], place: Path, report: Callable[[JobProgress], None]
    ) -> Generator[JobResult, None, None]:
        executor = self._executor(place)
        waiting = iter(jobs)
        sent: dict[Any, Job] = {}
        try:
            while True:
                while len(sent) < self.slots and (job := next(waiting, None)) is not None:
                    sent[self._submit(executor, job, place)] = job
                if not sent:
                    return
                ended = [one for one in sent if one.done()]
                for one in ended:
                    job = sent.pop(one)
                    _forget(place / job.identity)
                    yield _result(one, job)
                if not ended:
                    sleep(self.beat)
        finally:
            for one, job in sent.items():
                with suppress(Exception):  # it has ended, or Slurm does not answer; nothing else can be done
                    one.cancel()
                _forget(place / job.identity)

    def _executor(self, place: Path) -> Any:
        try:
            import submitit
        except ImportError as error:
            raise InputError(
                "the engine 'slurm' needs the package submitit: pip install 'partwise[slurm]', here and on the nodes"
            ) from error
        try:
            executor = submitit.AutoExecutor(folder=place.absolute() / LOGS, cluster=self.cluster)
        except RuntimeError as error:
            raise InputError(f"there is no Slurm on this machine (no sbatch): {error}") from error
        executor.update_parameters(**self.parameters)
        return executor

    @property
    def parameters(self) -> dict[str, Any]:
        """What a job asks for, as submitit calls it."""
        asked: dict[str, Any] = {
            "name": "partwise", "timeout_min": self.time, "gpus_per_node": self.gpus, "tasks_per_node": 1, "nodes": 1,
        }  # fmt: skip
        if self.cluster == "slurm":
            asked |= {"cpus_per_task": self.cpus, "slurm_partition": self.partition}
            asked |= {"mem_gb": self.memory, "slurm_setup": list(self.setup) or None}
        return {name: of for name, of in asked.items() if of is not None}

    def _submit(self, executor: Any, job: Job, place: Path) -> Any:
        _cancel_earlier(executor, place / job.identity)
        given = job if job.threads else job.model_copy(update={"threads": self.cpus})
        sent = executor.submit(do_here, given.model_dump_json(), str(place.absolute()))
        write_json(place / job.identity / NOTE, {"job": sent.job_id, "folder": str(place.absolute() / LOGS)})
        return sent


def _cancel_earlier(executor: Any, directory: Path) -> None:
    """Cancels the job that a killed study has left behind for the same run."""
    try:
        told = read_json(directory / NOTE)
        earlier = executor.job_class(folder=told["folder"], job_id=told["job"])
        earlier.cancel(check=False)
    except (PartwiseError, OSError, ValueError, KeyError, TypeError):
        return  # there is none


def _forget(directory: Path) -> None:
    with suppress(OSError):
        (directory / NOTE).unlink(missing_ok=True)


def _result(sent: Any, job: Job) -> JobResult:
    """What came of a job that has ended."""
    try:
        return JobResult.model_validate_json(sent.result())
    except Exception as error:  # submitit's own errors have no common ancestor but this
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        why = lines[-1].strip() if lines else type(error).__name__
        said = f"the Slurm job {sent.job_id} ended without a result ({sent.state}): {why}"
        return JobResult(identity=job.identity, state="failed", error=said, attempts=job.attempt)
