"""The Slurm engine on submitit's executor for this machine: the same engine, without a cluster."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from partwise import InputError
from partwise.storage import read_json, write_json
from partwise.studies.execution.execute import execute
from partwise.studies.execution.jobs import Job
from partwise_engines.parts import Slurm
from partwise_engines.slurm_engine import NOTE, SlurmEngine

submitit = pytest.importorskip("submitit")
pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes as Linux shows them")
HERE = SlurmEngine(slots=3, cluster="local", beat=0.1)


def descendants(pid: int) -> list[int]:
    """Of a process, each after its parent."""
    children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [of for child in children for of in (child, *descendants(child))]


def kill_when_it_trains(directory: Path) -> None:
    """Kills what a run's Slurm job has started, once there is a checkpoint, as a cluster does."""
    end = time.monotonic() + 60
    while not [*directory.glob("checkpoint-*")] and time.monotonic() < end:
        time.sleep(0.05)
    for pid in reversed(descendants(int(read_json(directory / NOTE)["job"]))):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.exhaustive
def test_runs_come_out_as_without_slurm_and_failures_are_said(
    make_job: Callable[..., Job], in_this_process: Any, tmp_path: Path
) -> None:
    jobs = [make_job(0), make_job(0, "hang", timeout=2), make_job(0, "kill")]
    found = execute(jobs, HERE, tmp_path / "pool")
    calm = execute(jobs[:1], in_this_process, tmp_path / "calm")
    for identity, one in calm.items():
        assert (found[identity].state, found[identity].metric) == ("done", one.metric)
    assert found["hang0"].state == found["kill0"].state == "failed"
    assert "killed by signal 9" in str(found["kill0"].error)
    assert "timed out after 2 s" in str(found["hang0"].error)
    assert not [*(tmp_path / "pool").glob(f"*/{NOTE}")], "no job is left behind"
    assert execute(jobs[:1], HERE, tmp_path / "pool") == {i: found[i] for i in calm}, "and none is done twice"


@pytest.mark.exhaustive
def test_a_job_that_is_killed_has_failed_and_goes_on_from_its_checkpoint(
    make_job: Callable[..., Job], in_this_process: Any, tmp_path: Path
) -> None:
    job = make_job(5, steps=600, trainer={"checkpoint_every": 20})
    killer = threading.Thread(target=kill_when_it_trains, args=(tmp_path / "pool" / job.identity,))
    killer.start()
    first = execute([job], HERE, tmp_path / "pool")[job.identity]
    killer.join()
    assert first.state == "failed"
    again = execute([job], HERE, tmp_path / "pool", retry_failed=True)[job.identity]
    calm = execute([job], in_this_process, tmp_path / "calm")[job.identity]
    assert (again.state, again.metric) == ("done", calm.metric)


def test_what_a_killed_study_left_is_cancelled_first(make_job: Callable[..., Job], tmp_path: Path) -> None:
    cancelled: list[str] = []

    class Left:
        def __init__(self, folder: str, job_id: str) -> None:
            self.job_id = job_id

        def cancel(self, check: bool = True) -> None:
            cancelled.append(self.job_id)

    from partwise_engines.slurm_engine import _cancel_earlier

    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / NOTE, {"job": "17", "folder": "logs"})
    executor = type("Executor", (), {"job_class": Left})()
    _cancel_earlier(executor, tmp_path / "run")
    _cancel_earlier(executor, tmp_path / "none")
    assert cancelled == ["17"]


def test_a_job_asks_for_what_the_knobs_say() -> None:
    engine = Slurm(partition="gpu", time=30, gpus=1, cpus=4, memory=4.0, setup=("module load cuda",)).build(None)
    assert isinstance(engine, SlurmEngine)
    assert engine.parameters == {
        "name": "partwise", "timeout_min": 30, "gpus_per_node": 1, "tasks_per_node": 1, "nodes": 1, "cpus_per_task": 4,
        "slurm_partition": "gpu", "mem_gb": 6.0, "slurm_setup": ["module load cuda"],
    }  # fmt: skip
    submitit.AutoExecutor(folder="unused", cluster="debug").update_parameters(**engine.parameters)


def test_a_machine_without_slurm_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_job: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="there is no Slurm on this machine"):
        execute([make_job(0)], SlurmEngine(slots=1), tmp_path / "pool")


def test_each_worker_of_a_machine_with_several_gpus_sees_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from partwise.machine import visible_gpus
    from partwise.studies.execution import worker_client
    from partwise_engines.local import LocalEngine

    seen: list[str] = []

    class Started:
        stdin = stdout = object()

        def __init__(self, command: list[str], env: dict[str, str], **_: Any) -> None:
            seen.append(env["CUDA_VISIBLE_DEVICES"])

    monkeypatch.setattr(worker_client.subprocess, "Popen", Started)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0, 3")
    assert visible_gpus() == ["0", "3"]
    engine, taken = LocalEngine(3), dict[Any, str]()
    busy = [engine._started(tmp_path, visible_gpus(), taken, []) for _ in range(1)]
    busy.append(engine._started(tmp_path, visible_gpus(), taken, busy))
    busy.append(engine._started(tmp_path, visible_gpus(), taken, busy[1:]))
    assert seen == ["0", "3", "0"], "the GPU of the fewest that are busy"
    busy.append(engine._started(tmp_path, ["0"], taken, []))
    assert seen[-1] == "0, 3", "one GPU is left to what the machine says"
    for worker in busy:
        worker._errors.close()
