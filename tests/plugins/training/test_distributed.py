"""Two real processes against one: the same training, whoever holds the weights and whoever began it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from partwise.recipe import load
from partwise.runs import Run
from partwise.training import Processes, current_processes, launched_by_torchrun, speaks_to_user
from partwise.workflow import train
from partwise_evaluations.parts import SAMPLES

PROGRAM = Path(__file__).with_name("together.py")
STEPS = 9


def recipe(place: Path, **trainer: Any) -> Path:
    """Rows of many lengths, so that processes do not score equally many tokens, in accumulated batches."""
    layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
    experts = {"use": "experts", "experts": 4, "expert": {"use": "swiglu", "hidden": 8}}
    experts["router"] = {"use": "sigmoid", "bias_step": 0.01}  # its bias moves by the load of all processes
    settings = {
        "partwise": 1,
        "name": "together",
        "data": {"use": "reverse", "size": 300},
        "tokenizer": "char",
        "model": {"use": "language_model", "width": 16, "depth": 2, "context": 40, "position": "learned",
                  "blocks": [layer, {**layer, "feedforward": experts}]},
        "objective": {"use": "multi_token", "form": "chained", "block": layer, "weight": 0.5},
        "trainer": {"use": "standard", "steps": STEPS, "batch_size": 4, "accumulate": 2, "evaluate_every": 4,
                    "evaluate_batches": 3, "checkpoint_every": 5, "clip": 0.5,
                    "optimizer": {"use": "adamw", "lr": 0.01}, **trainer},
        "evaluations": {"read": {"use": "text", "files": [str(SAMPLES / "short.txt")], "every": 4},
                        "write": {"use": "answers", "file": str(SAMPLES / "answers.jsonl"), "limit": 3}},
    }  # fmt: skip
    path = place / "recipe.json"
    path.write_text(json.dumps(settings))
    return path


def environment(tmp_path: Path, **others: str) -> dict[str, str]:
    own = {"PARTWISE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return {**os.environ, **own, **others}


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def started(command: list[str], tmp_path: Path, count: int) -> list[subprocess.Popen[str]]:
    """So many processes, started as `torchrun` does, without what it prints of its own."""
    port = free_port()
    others = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        subprocess.Popen(
            [sys.executable, *command],
            env=environment(tmp_path, RANK=rank, LOCAL_RANK=rank, **others),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in map(str, range(count))
    ]


def two_processes(command: list[str], tmp_path: Path) -> list[tuple[int, str]]:
    """Exit code and output of each."""
    processes = started(command, tmp_path, 2)
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    return [(process.returncode, output) for process, output in zip(processes, outputs, strict=True)]


def interrupted_at(step: int, path: Path, out: Path, tmp_path: Path) -> None:
    ended = two_processes([str(PROGRAM), str(path), str(out), str(step)], tmp_path)
    assert [code for code, _ in ended] == [130, 130], ended
    assert sorted(output for _, output in ended) == ["", "interrupted\n"]
    run = Run.open(out)
    assert (run.step, run.state) == (step, "interrupted")


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same training by one process that nothing interrupts."""
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    return train(load(recipe(tmp_path)), tmp_path / "alone", device="cpu")


def alike(row: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on how a batch is cut; the busiest expert is that of each piece."""
    return {name: value for name, value in row.items() if not name.startswith("experts_")}


@pytest.mark.parametrize("how", [pytest.param("ddp", marks=pytest.mark.exhaustive), "fsdp"])
def test_two_processes_then_one_then_two_train_as_one(tmp_path: Path, alone: Run, how: str) -> None:
    path, out = recipe(tmp_path, parallel=how, recompute=1), tmp_path / "together"
    interrupted_at(3, path, out, tmp_path)
    one = [sys.executable, str(PROGRAM), str(path), str(out), "6"]
    subprocess.run(one, env=environment(tmp_path), capture_output=True, timeout=120, check=False)
    assert Run.open(out).step == 6
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", free_port()]
    done = subprocess.run(
        [sys.executable, *torchrun, "-m", "partwise_cli", "train", str(path), "--out", str(out), "--device", "cpu"],
        env=environment(tmp_path), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"step {STEPS}/{STEPS}") == 1, "one process speaks"
    same_training(Run.open(out), alone)


def test_two_processes_with_whole_weights_train_as_one(tmp_path: Path, alone: Run) -> None:
    """Begun and ended by the same two; the exhaustive test above has others go on. Every second layer is computed again
    in the backward pass."""
    out = tmp_path / "together"
    ended = two_processes([str(PROGRAM), str(recipe(tmp_path, parallel="ddp", recompute=2)), str(out), "99"], tmp_path)
    assert [code for code, _ in ended] == [0, 0], ended
    same_training(Run.open(out), alone)


def same_training(run: Run, alone: Run) -> None:
    for ours, theirs in zip(map(alike, run.rows()), map(alike, alone.rows()), strict=True):
        assert ours == {name: pytest.approx(value, rel=1e-5) for name, value in theirs.items()}
    weights = [load_file(place / "model.safetensors") for place in (run.directory, alone.directory)]
    for name, tensor in weights[1].items():
        torch.testing.assert_close(
            weights[0][name], tensor, rtol=1e-4, atol=1e-3
        )  # Adam makes much of a gradient of nothing


def test_roles_two_optimizers_and_an_average_are_the_same_in_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    others = {"use": "schedule_free", "lr": 0.01, "rates": {"embedding": 0.5}}
    knobs = {"optimizer": {"use": "muon", "lr": 0.01, "others": others}, "average": 0.8, "parallel": "fsdp"}
    path, out = recipe(tmp_path, **knobs), tmp_path / "together"
    alone = train(load(path), tmp_path / "alone", device="cpu")
    interrupted_at(7, path, out, tmp_path)  # evaluated at 4, saved at 5 and 7
    run = train(load(path), out, device="cpu")
    for ours, theirs in zip(map(alike, run.rows()), map(alike, alone.rows()), strict=True):
        assert ours == {name: pytest.approx(value, rel=1e-4) for name, value in theirs.items()}


def test_a_failure_of_all_is_told_once(tmp_path: Path) -> None:
    path = recipe(tmp_path, batch_size=3)
    command = ["-m", "partwise_cli", "train", str(path), "--out", str(tmp_path / "run"), "--device", "cpu"]
    ended = two_processes(command, tmp_path)
    outputs = "".join(output for _, output in ended)
    assert outputs.count("batch_size 3 cannot be shared evenly by 2 processes") == 1, outputs
    assert "use 4, or" in outputs
    assert [code for code, _ in ended] == [2, 2]


def test_a_process_alone_is_the_first_and_sums_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert current_processes() == Processes(0, 1)
    one = Processes()
    assert one.first
    assert one.total(3) == 3
    assert one.from_first("a") == "a"
    assert one.from_each("a") == ["a"]
    assert one.sum(torch.tensor(2.0)).item() == 2.0
    assert not launched_by_torchrun()
    assert speaks_to_user()
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "x", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not launched_by_torchrun()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert launched_by_torchrun()
    assert not speaks_to_user()


@pytest.mark.exhaustive
@pytest.mark.parametrize("how", ["ddp", "fsdp"])
def test_two_processes_put_adapters_beside_weights_of_a_run_as_one_does(tmp_path: Path, alone: Run, how: str) -> None:
    """Some weights stay as they are, some learn, and adapters beside them; the head's is read, not called."""
    keys = {"start": {"run": str(alone.directory)}, "adapter": {"use": "lora", "targets": ["mixer"], "rank": 2}}
    path = recipe(tmp_path, parallel=how)
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys, "trainable": ["router", "*norm*"]}))
    one = train(load(path), tmp_path / "one", device="cpu")
    interrupted_at(3, path, tmp_path / "together", tmp_path)
    ended = two_processes([str(PROGRAM), str(path), str(tmp_path / "together"), "99"], tmp_path)
    assert [code for code, _ in ended] == [0, 0], ended
    both = [load_file(run / "model.safetensors") for run in (one.directory, tmp_path / "together")]
    base = load_file(alone.directory / "model.safetensors")
    assert both[0].keys() == both[1].keys() > base.keys()
    for name, mine in both[0].items():
        torch.testing.assert_close(mine, both[1][name], rtol=1e-3, atol=1e-4)
        if name in base and "router" not in name and "norm" not in name:
            assert mine.equal(base[name]), name
            assert both[1][name].equal(base[name]), name
