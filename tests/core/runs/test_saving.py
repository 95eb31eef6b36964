"""Checkpoints that processes write in shares: here by one process, which has all of them; see also test_sharded.py."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

from partwise import WorkError
from partwise.runs import OptimizerState, Run, SharesOf, checkpoints
from partwise.storage import in_shares
from partwise.storage.safetensors import StoredTensors


@pytest.fixture(scope="module")
def group() -> Iterator[Any]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield dist.group.WORLD
    dist.destroy_process_group()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {"seed": 1}, {"letters": "ab"}, {})


def tensors() -> dict[str, Tensor]:
    """Of all forms: no dimension, no rows, one row, other types."""
    torch.manual_seed(1)
    return {
        "matrix": torch.randn(5, 3),
        "row": torch.randn(1, 4),
        "none": torch.zeros(0, 2),
        "half": torch.randn(7).bfloat16(),
        "count": torch.tensor(3),
        "cube": torch.randn(3, 2, 2, dtype=torch.float64),
    }


def shares(group: Any) -> dict[str, Tensor]:
    mesh = init_device_mesh("cpu", (1,))
    split = {name: distribute_tensor(one, mesh, [Shard(0)]) for name, one in tensors().items() if one.ndim}
    return {**tensors(), **split}


def state(of: dict[str, Tensor]) -> OptimizerState:
    return OptimizerState({f"{name}/exp_avg": one for name, one in of.items()}, {"state": {}, "groups": []})


def test_files_written_in_shares_are_those_of_one_writer(run: Run, group: Any, tmp_path: Path) -> None:
    run.log({"step": 2, "loss": 1.5})
    run.save_shares(2, shares(group), state(shares(group)), group, {"a": 1}, best=2.5).finish()
    other = Run.create(tmp_path / "other", {"seed": 1}, {"letters": "ab"}, {})
    other.log({"step": 2, "loss": 1.5})
    other.write_checkpoint(2, tensors(), state(tensors()), {"a": 1}, best=2.5)
    names = sorted(path.name for path in other.place_of(2).iterdir())
    assert names == sorted(path.name for path in run.place_of(2).iterdir())
    for name in names:
        assert (run.place_of(2) / name).read_bytes() == (other.place_of(2) / name).read_bytes(), name
    assert run.has(2)
    assert run.best == 2
    run.finish_with_shares(shares(group), group)
    other.finish_with(tensors())
    assert run.finished
    for name in ("model.safetensors", "manifest.json"):
        assert (run.directory / name).read_bytes() == (other.directory / name).read_bytes(), name


def test_shares_are_read_from_a_whole(run: Run, group: Any) -> None:
    run.write_checkpoint(1, tensors(), state(tensors()))
    own = shares(group)
    read = SharesOf(run.read_verified(1).model, own.get)
    assert read.keys() == own.keys()
    for name, one in tensors().items():
        assert type(read[name]) is type(own[name])
        assert getattr(read[name], "to_local", lambda name=name: read[name])().equal(one), name
    stored = StoredTensors([run.place_of(1) / "model.safetensors"])
    assert stored.rows("matrix", 1, 3).equal(tensors()["matrix"][1:3])
    assert stored.rows("matrix", 5, 5).shape == (0, 3)


@pytest.mark.parametrize("where", ["reserve", "write", "manifest"])
def test_a_full_disk_costs_the_newest_alone(run: Run, group: Any, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run.save_shares(1, shares(group), state(shares(group)), group).finish()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place, name = {
        "reserve": (in_shares, "_reserve"), "write": (in_shares, "_write_all"), "manifest": (checkpoints, "settle"),
    }[where]  # fmt: skip
    monkeypatch.setattr(place, name, full)
    saving = run.save_shares(2, shares(group), state(shares(group)), group)
    saving.wait_to_change()
    with pytest.raises(WorkError, match=r"cannot write .*checkpoint-2: No space left.*checkpoint of step 1 is intact"):
        saving.finish()
    assert run.kept == [1]
    assert run.is_good(1)
    assert not [*run.directory.glob(".*partial")]
    if where != "manifest":
        with pytest.raises(WorkError, match=r"cannot write .*model.safetensors: No space left"):
            run.finish_with_shares(shares(group), group)
        assert not run.finished
        assert not [*run.directory.glob(".*partial")]


def test_tensors_may_change_once_they_are_written_and_before_all_is_on_the_disk(
    run: Run, group: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, settle = Event(), checkpoints.settle

    def waits(place: Path, identity: str) -> None:
        assert goes_on.wait(30)
        settle(place, identity)

    monkeypatch.setattr(checkpoints, "settle", waits)
    own = shares(group)
    saving = run.save_shares(1, own, state(own), group)
    saving.wait_to_change()
    with torch.no_grad():
        for one in own.values():
            one.zero_()
    assert not saving.done
    assert run.kept == []
    goes_on.set()
    saving.finish()
    assert run.read_verified(1).model["matrix"].equal(tensors()["matrix"])


def test_a_checkpoint_that_a_process_does_not_see_is_named(run: Run) -> None:
    with pytest.raises(WorkError, match="checkpoint-3"):
        run.read_verified(3)
