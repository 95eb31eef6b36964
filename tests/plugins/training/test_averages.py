"""Weights that are averaged: evaluated and kept, and no bit of training changed by that."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from partwise.parts import OptimizerPart, OptimizerSite, resolve_part
from partwise.testing.checks import trainers
from partwise_training import parts
from partwise_training.joined import Averaged, evaluated, evaluating, training


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def update(model: nn.Module, optimizer: Any, step: int) -> None:
    optimizer.zero_grad()
    model(torch.randn(5, 3, generator=torch.Generator().manual_seed(step))).square().sum().backward()
    optimizer.step()


def switching(model: nn.Module, which: str) -> Any:
    if which == "average":
        return Averaged(parts.AdamW(lr=0.05).build(OptimizerSite(model)), 0.9)
    part: Any = resolve_part(OptimizerPart, {"use": which, "lr": 0.05})
    return part.assemble(OptimizerSite(model))


def test_the_average_is_that_of_its_formula() -> None:
    model = network()
    optimizer = Averaged(parts.Sgd(lr=0.1).build(OptimizerSite(model)), 0.5)
    expected: list[Tensor] = []
    for step in range(1, 9):
        update(model, optimizer, step)
        kept = min(0.5, (1 + step) / (10 + step))
        now = [weight.detach().clone() for weight in model.parameters()]
        expected = [kept * old + (1 - kept) * new for old, new in zip(expected or now, now, strict=True)]
    with evaluated(optimizer):
        for weight, right in zip(model.parameters(), expected, strict=True):
            assert torch.allclose(weight, right, rtol=1e-5)


@pytest.mark.parametrize("which", ["average", "schedule_free"])
def test_evaluations_change_no_bit(which: str) -> None:
    one, other = network(), network()
    plain, looked_at = switching(one, which), switching(other, which)
    for step in range(6):
        update(one, plain, step)
        update(other, looked_at, step)
        evaluating(looked_at)
        assert step == 0 or not other[0].weight.equal(one[0].weight)
        evaluating(looked_at)
        training(looked_at)
        training(looked_at)
    assert all(mine.equal(theirs) for mine, theirs in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    "knobs",
    [
        {"average": 0.5},
        {"optimizer": {"use": "schedule_free", "lr": 0.05}, "schedule": "constant"},
        {"optimizer": {"use": "muon", "others": "schedule_free"}, "average": 0.9},
        {"optimizer": {"use": "muon", "lr": 0.05}},
        {"optimizer": {"use": "adafactor", "lr": 0.05}},
        {"optimizer": {"use": "ademamix", "warmup": 3}},
        {"optimizer": {"use": "soap", "basis_every": 2}},
    ],
)
def test_a_killed_run_ends_with_the_same_bits(tmp_path: Path, knobs: dict[str, Any]) -> None:
    settings = {"steps": 5, "batch_size": 2, "evaluate_every": 2, "evaluate_batches": 1, "checkpoint_every": 2}
    part = parts.Standard.model_validate({**settings, **knobs})
    trainers.a_killed_run_ends_with_the_same_bits(part)


def test_what_is_kept_at_the_end_is_what_was_evaluated(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 6, "batch_size": 2, "evaluate_every": None, "evaluate_batches": 1}
    with_average, *_ = trainers.trained(parts.Standard(**settings, average=0.9), tmp_path / "average")
    without, *_ = trainers.trained(parts.Standard(**settings), tmp_path / "plain")
    assert [row["loss"] for row in without.rows()[1:]] == [row["loss"] for row in with_average.rows()[1:]]
    assert without.rows()[-1]["valid_loss"] != with_average.rows()[-1]["valid_loss"]
    kept = trainers.weights(with_average)
    assert not kept["table"].equal(trainers.weights(without)["table"])


def test_optimizers_within_an_average_share_one_state() -> None:
    model = nn.ModuleDict({"table": nn.Embedding(3, 4), "matrix": nn.Linear(4, 2)})
    optimizer = Averaged(parts.Muon().build(OptimizerSite(model)), 0.9)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    again = Averaged(parts.Muon().build(OptimizerSite(model)), 0.9)
    again.load_state_dict(optimizer.state_dict())
    for one in (optimizer, again, copy.deepcopy(again)):
        kept = [set(state) for state in one.state_dict()["state"].values()]
        assert {"momentum", "average"} in kept
        assert {"step", "exp_avg", "exp_avg_sq", "average"} in kept
        assert all(inner.state is one.state for inner in one.optimizers[0].optimizers)
