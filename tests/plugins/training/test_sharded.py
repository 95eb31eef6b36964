"""Processes none of which holds the whole model: what they begin with, keep, and go on from; and how much they take."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from torch import nn
from torch.distributed.checkpoint import HuggingFaceStorageReader

from partwise.assembly import materialise
from partwise.modules import layers_of
from partwise.recipe import load
from partwise.runs import Run, model_tensors
from partwise.storage.safetensors import write_tensors
from partwise.workflow import check, prepare, train
from partwise.workflow.starting import begin_by_parts

from .shares import AGAIN, FIRST
from .test_distributed import environment, free_port, recipe, same_training, started, two_processes

SHARES, GROWING = (Path(__file__).with_name(name) for name in ("shares.py", "growing.py"))


def test_four_are_killed_while_they_write_and_two_go_on_as_one_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    path, out = recipe(tmp_path, parallel="fsdp", checkpoint_every=2, steps=6), tmp_path / "together"
    alone = train(load(path), tmp_path / "alone", device="cpu")

    first, *others = started([str(SHARES), str(path), str(out), "4"], tmp_path, 4)
    told, _ = first.communicate(timeout=300)
    for process in others:  # as torchrun does
        process.kill()
        process.communicate()
    assert first.returncode == -9, told
    assert Run.open(out).kept == [2]
    assert (out / ".checkpoint-4.partial").is_dir()
    model = cast(nn.Module, prepare(load(path)).skeleton())
    begin_by_parts(cast(Any, model), load(path), None)(model)
    write_tensors(tmp_path / "one.safetensors", model_tensors(model))
    assert (tmp_path / FIRST / "model.safetensors").read_bytes() == (tmp_path / "one.safetensors").read_bytes()
    files = [out / "checkpoint-2" / name for name in ("model.safetensors", "optimizer.safetensors")]
    of_four = {file.name: file.read_bytes() for file in files}
    theirs = HuggingFaceStorageReader(str(out / "checkpoint-2")).read_metadata().state_dict_metadata
    assert {name: tuple(cast(Any, theirs[name]).size) for name in model_tensors(model)} == {
        name: tuple(one.shape) for name, one in model_tensors(model).items()
    }

    ended = two_processes([str(SHARES), str(path), str(out), "-1"], tmp_path)
    assert [code for code, _ in ended] == [0, 0], ended
    for name, content in of_four.items():
        assert (tmp_path / AGAIN / name).read_bytes() == content, f"{name} as four wrote it, and two read it"
    assert not [*out.glob(".*partial")]
    same_training(Run.open(out), alone)


def grown(tmp_path: Path, width: int, depth: int, steps: int) -> list[float]:
    """MiB by which one process grows, and each of two."""
    recipes = [tmp_path / "small.json", tmp_path / "large.json"]
    for path, layers in zip(recipes, (2, depth), strict=True):
        settings = {
            "partwise": 1,
            "name": "growing",
            "data": {"use": "reverse", "size": 300},
            "tokenizer": "char",
            "model": {"use": "language_model", "width": width, "depth": layers, "context": 32, "position": "learned",
                      "blocks": [{"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 4}}]},
            "trainer": {"use": "standard", "steps": steps, "batch_size": 4, "evaluate_every": None,
                        "evaluate_batches": 1, "checkpoint_every": 1, "parallel": "fsdp"},
        }  # fmt: skip
        path.write_text(json.dumps(settings))
    command = [str(GROWING), *map(str, recipes)]
    one = subprocess.run(
        [sys.executable, *command, str(tmp_path / "alone")],
        env=environment(tmp_path), capture_output=True, text=True, timeout=1200, check=True,
    )  # fmt: skip
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", free_port()]
    two = subprocess.run(
        [sys.executable, *torchrun, *command, str(tmp_path / "together")],
        env=environment(tmp_path), capture_output=True, text=True, timeout=1200, check=True,
    )  # fmt: skip
    return [float(line) for line in (one.stdout + two.stdout).split()]


@pytest.mark.exhaustive
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured as Linux tells it")
@pytest.mark.parametrize(
    ("width", "depth", "steps"),
    [(256, 40, 1), (512, 32, 3)],
    ids=["32M", "100M"],
)
def test_each_of_two_takes_less_than_60_percent_of_what_one_takes(
    tmp_path: Path, width: int, depth: int, steps: int
) -> None:
    """Weights, gradients and two moments in float32 are 16 bytes a parameter, of which each has half; a few gathered
    layers come on top."""
    one, *two = grown(tmp_path, width, depth, steps)
    print(f"{one:.0f} MiB alone, {two[0]:.0f} and {two[1]:.0f} together: {max(two) / one:.0%}")
    assert one > 0.9 * 16 * 12 * width**2 * depth / 2**20
    assert max(two) < 0.6 * one


@pytest.mark.parametrize("name", ["gpt", "transformer", "lstm-attention"])
def test_a_model_filled_layer_by_layer_has_the_weights_of_one_filled_at_once(name: str) -> None:
    loaded = load(name, ["model.context=64"])
    whole, pieces = (cast(nn.Module, check(loaded).model) for _ in range(2))
    materialise(cast(Any, whole), loaded.recipe.seed)
    fill = begin_by_parts(cast(Any, pieces), loaded, None)
    layers = [*layers_of(pieces, apart=True)]
    for layer in layers:
        assert all(parameter.is_meta for parameter in layer.parameters())
        fill(layer)
        assert not any(parameter.is_meta for parameter in layer.parameters())
    assert layers
    assert any(parameter.is_meta for parameter in pieces.parameters())
    fill(pieces)
    ours, theirs = pieces.state_dict(), whole.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(ours[key].equal(theirs[key]) for key in theirs)
