"""What is told of speed, the compiled loss, and the trace: none of it changes what is trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from partwise.recipe import LoadedRecipe, load
from partwise.runs import Run
from partwise.training import Progress
from partwise.workflow import inspect, train
from partwise_training import telemetry
from partwise_training.telemetry import PER_PASS, Speed, peak_flops, peak_memory

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))


def recipe(place: Path, **trainer: Any) -> LoadedRecipe:
    layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}, "feedforward": {"use": "gelu"}}
    settings = {
        "partwise": 1,
        "name": "small",
        "data": {"use": "reverse", "size": 300},
        "tokenizer": "char",
        "model": {"use": "language_model", "width": 16, "depth": 2, "context": 40, "position": "learned",
                  "blocks": [layer]},
        "trainer": {"use": "standard", "steps": 8, "batch_size": 4, "evaluate_every": None, "evaluate_batches": 2,
                    "checkpoint_every": None, **trainer},
    }  # fmt: skip
    path = place / "recipe.json"
    path.write_text(json.dumps(settings))
    return load(path)


def test_figures_are_those_of_the_update_and_rows_those_of_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "peak_flops", lambda device, precision: 1e9)
    monkeypatch.setattr(telemetry, "UNCOUNTED", 2.0)
    speed = Speed(tmp_path, lambda: 1000.0, CPU, "float32", processes=2)
    first = speed.update(tokens=100, seconds=0.5, waited=0.05)
    assert first["tokens_per_second"] == 200
    assert first["data_wait"] == pytest.approx(0.1)
    assert "flops_utilisation" not in first, "it is counted once training has taken a while"
    speed.log(1, last=False)
    assert not (tmp_path / "speed.jsonl").exists()
    second = speed.update(tokens=100, seconds=1.5, waited=0.0)
    assert second["flops_utilisation"] == pytest.approx(PER_PASS * 1000 * (100 / 1.5) / 2e9)
    speed.saved(0.5)
    speed.log(2, last=False)
    speed.update(tokens=50, seconds=0.1, waited=0.0)
    speed.log(3, last=True)
    rows = [json.loads(line) for line in (tmp_path / "speed.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 3]
    assert rows[0]["tokens_per_second"] == pytest.approx(100)
    assert rows[0]["data_wait"] == pytest.approx(0.025)
    assert rows[0]["checkpoint_share"] == pytest.approx(0.2)
    assert rows[1]["tokens_per_second"] == pytest.approx(500)
    assert rows[1]["checkpoint_share"] == 0


def test_the_machine_is_measured_once_and_does_more_than_nothing() -> None:
    assert peak_flops(CPU, "float32") > 1e8
    assert peak_flops(CPU, "float32") == peak_flops(CPU, "float32")
    assert peak_memory(CPU) > 10e6


def test_a_training_tells_its_speed_beside_its_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "UNCOUNTED", 0.0)
    seen: list[Progress] = []
    loaded = recipe(tmp_path)
    run = train(loaded, tmp_path / "run", device="cpu", report=seen.append)
    last = seen[-1].metrics
    assert {"tokens_per_second", "flops_utilisation", "data_wait", "peak_memory"} <= set(last)
    flops = inspect(loaded, vocabulary=28).flops_per_token
    assert last["flops_utilisation"] == pytest.approx(
        3 * flops * last["tokens_per_second"] / peak_flops(CPU, "float32"), rel=0.02
    )
    assert 0 < last["data_wait"] < 1
    assert not {"tokens_per_second", "data_wait"} & {name for row in run.rows() for name in row}
    rows = [json.loads(line) for line in (run.directory / "speed.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 8


def test_a_compiled_loss_trains_the_same_and_is_compiled_for_one_length_and_then_for_all(tmp_path: Path) -> None:
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    plain = train(recipe(tmp_path), tmp_path / "plain", device="cpu")
    compiled = train(recipe(tmp_path, compile="eager"), tmp_path / "compiled", device="cpu")
    for ours, theirs in zip(compiled.rows(), plain.rows(), strict=True):
        assert ours == {name: pytest.approx(value, rel=1e-5) for name, value in theirs.items()}
    counted = torch._dynamo.utils.counters
    assert counted["frames"]["ok"] >= 1
    assert counted["stats"]["unique_graphs"] <= 3
    assert not counted["graph_break"]
    torch.compiler.reset()


def test_a_profiled_training_leaves_a_trace_and_trains_the_same(tmp_path: Path) -> None:
    loaded = recipe(tmp_path)
    plain = train(loaded, tmp_path / "plain", device="cpu")
    done = subprocess.run(
        [sys.executable, "-m", "partwise_cli", "train", str(tmp_path / "recipe.json"), "--out", str(tmp_path / "run"),
         "--device", "cpu", "--profile", "2"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "wrote a trace" in done.stdout
    events = json.loads((tmp_path / "run" / "trace.json").read_text())["traceEvents"]
    steps = {event["name"] for event in events if str(event.get("name")).startswith("ProfilerStep#")}
    assert len(steps) == 2
    assert any("aten::" in str(event.get("name")) for event in events)
    assert Run.open(tmp_path / "run").rows() == plain.rows()


def raises(*given: object) -> Any:
    raise RuntimeError("nothing of the kind here")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("partwise.workflow.training.inspect", "the model's FLOPs"),
        ("partwise_training.telemetry.peak_flops", "the utilisation"),
        ("partwise_training.telemetry.peak_memory", "the peak memory"),
        ("partwise_training.telemetry.MetricsLog.append", "speed.jsonl"),
    ],
)
def test_a_figure_of_speed_that_cannot_be_had_ends_no_training(
    name: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train(recipe(tmp_path), tmp_path / "plain", device="cpu")
    monkeypatch.setattr(telemetry, "UNCOUNTED", 0.0)
    said: list[str] = []
    if name.endswith("append"):
        append = telemetry.MetricsLog.append
        guarded = lambda self, row: raises() if self.path.name == "speed.jsonl" else append(self, row)  # noqa: E731
        monkeypatch.setattr(telemetry.MetricsLog, "append", guarded)
    else:
        monkeypatch.setattr(name, raises)
    run = train(recipe(tmp_path), tmp_path / "run", device="cpu", say=said.append)
    assert run.finished
    assert run.rows() == plain.rows()
    told = [line for line in said if "left out" in line]
    assert told == [f"{what} failed and is left out from now on: nothing of the kind here"]


def test_a_model_whose_work_depends_on_data_trains_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from partwise_feedforward.feedforward import FeedForward

    forward = FeedForward.forward
    monkeypatch.setattr(FeedForward, "forward", lambda self, x: forward(self, x) * float((x == x).any().item()))
    monkeypatch.setattr(telemetry, "UNCOUNTED", 0.0)
    said, seen = list[str](), list[Progress]()
    run = train(recipe(tmp_path), tmp_path / "run", device="cpu", say=said.append, report=seen.append)
    assert run.finished
    assert "flops_utilisation" not in seen[-1].metrics
    (line,) = [line for line in said if "FLOPs" in line]
    assert line.startswith(
        "the model's FLOPs cannot be counted, so no utilisation is shown: stack.blocks.0.feedforward"
    )
    assert "depends on the data" in line
