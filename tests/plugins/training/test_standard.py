"""The trainer: what an update is, what is measured and kept, and that interruptions leave no trace."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from partwise import PartError, WorkError
from partwise.data import IGNORED, Batch
from partwise.runs import Run
from partwise.training import Progress, Training
from partwise_training import parts

V, T = 11, 6


class Small(nn.Module):
    """A language model of sorts, with dropout."""

    context, vocabulary = T, V

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        self.embedding = nn.Embedding(V, 8)
        self.mix = nn.GRU(8, 8, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(8, V)
        self.types: set[torch.dtype] = set()

    def forward(self, batch: Batch) -> Tensor:
        x = self.dropout(self.mix(self.embedding(batch.tokens))[0])
        logits = self.head(x)
        self.types.add(logits.dtype)
        return logits

    def loss(self, batch: Batch) -> Tensor:
        logits = self(batch).flatten(0, 1)
        return nn.functional.cross_entropy(logits, batch.targets.flatten(), ignore_index=IGNORED, reduction="sum")


class Encoded:
    form = "stream"

    def bits_per_byte(self, nats_per_token: float) -> float:
        return nats_per_token / math.log(2)


class FakeBatches:
    """Rows that depend on (seed, step) only; row i of a step is the same whatever the size of its batches."""

    def __init__(self) -> None:
        self.encoded = {"valid": Encoded()}
        self.evaluated: list[int | None] = []

    def members(self, split: str) -> tuple[str, ...]:
        return ()

    def epochs(self, *_: int) -> dict[str, float]:
        return {}

    def rows(self, seed: int, step: int) -> Batch:
        generator = torch.Generator().manual_seed(1000 * seed + step)
        tokens = torch.randint(V, (12, T + 1), generator=generator)
        targets = (tokens[:, :-1] * 3 + 1) % V
        # Rows score different numbers of tokens, so that averaging averages would be wrong.
        targets[torch.arange(T) >= torch.randint(1, T + 1, (12, 1), generator=generator)] = IGNORED
        return Batch(tokens[:, :-1], targets)

    def train(self, step: int, size: int, seed: int, micro: int = 0) -> Batch:
        rows = self.rows(seed, step)
        place = slice(micro * size, (micro + 1) * size)
        return Batch(rows.tokens[place], rows.targets[place])

    def evaluation(self, split: str, size: int, limit: int | None) -> Iterator[Batch]:
        assert split == "valid"
        self.evaluated.append(limit)
        for step in range(4)[:limit]:
            yield self.train(step, size, 999)


def settings(**knobs: Any) -> parts.Standard:
    """Twelve updates of three rows, evaluated every four."""
    given = {"steps": 12, "batch_size": 3, "evaluate_every": 4, "checkpoint_every": 5, **knobs}
    return parts.Standard(**{"optimizer": parts.AdamW(lr=0.02), **given})


def training(
    directory: Path, report: Callable[[Progress], None] = lambda progress: None, seed: int = 7, dropout: float = 0.3
) -> Training:
    torch.manual_seed(5)
    run = Run.create(directory, {"name": "test"}, {}, {})
    return Training(Small(dropout), FakeBatches(), run, seed, torch.device("cpu"), report)


def fit(directory: Path, part: parts.Standard, **given: Any) -> Training:
    what = training(directory, **given)
    part.assemble(None).fit(what)
    return what


def weights(directory: Path) -> bytes:
    return (directory / "model.safetensors").read_bytes()


def metrics(directory: Path) -> bytes:
    return (directory / "metrics.jsonl").read_bytes()


# --- an update


def test_updates_are_those_of_a_loop_written_out(tmp_path: Path) -> None:
    part = settings(schedule=parts.Linear(), clip=0.5, optimizer=parts.Sgd(lr=0.5, momentum=0.9))
    found = fit(tmp_path, part, dropout=0.0)
    model = training(tmp_path / "other", dropout=0.0).model
    optimizer = torch.optim.SGD(model.parameters(), 0.5, 0.9)
    losses, norms = [], []
    for step in range(12):
        batch = found.batches.train(step, 3, 7)
        loss = model.loss(batch) / batch.scored
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), 0.5)))
        losses.append(float(loss.detach()))
        optimizer.param_groups[0]["lr"] = 0.5 * (1 - step / 12)
        optimizer.step()
    for ours, theirs in zip(found.model.parameters(), model.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)
    rows = found.run.rows()[1:]
    assert [row["loss"] for row in rows] == pytest.approx(losses, rel=1e-5)
    assert [row["grad_norm"] for row in rows] == pytest.approx(norms, rel=1e-4)
    assert [row["lr"] for row in rows] == pytest.approx([0.5 * (1 - step / 12) for step in range(12)])
    assert max(norms) > 0.5, "clipping was at work"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
def test_accumulated_batches_are_one_large_batch(tmp_path: Path, size: int) -> None:
    plain = {"optimizer": parts.Sgd(lr=0.5), "clip": None}
    large = fit(tmp_path / "large", settings(batch_size=12, **plain), dropout=0.0)
    small = fit(tmp_path / "small", settings(batch_size=size, accumulate=12 // size, **plain), dropout=0.0)
    for one, other in zip(large.run.rows()[1:], small.run.rows()[1:], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-4)


def test_clipping_bounds_how_far_weights_move(tmp_path: Path) -> None:
    part = settings(steps=1, clip=0.01, optimizer=parts.Sgd(lr=1.0), schedule=parts.Constant())
    before = [parameter.detach().clone() for parameter in training(tmp_path / "x").model.parameters()]
    after = fit(tmp_path, part).model.parameters()
    moved = torch.cat([(a.detach() - b).flatten() for a, b in zip(after, before, strict=True)]).norm()
    assert float(moved) == pytest.approx(0.01, rel=1e-3)


def test_bfloat16_is_for_the_products_of_training_only(tmp_path: Path) -> None:
    model = fit(tmp_path, settings(precision="bfloat16", steps=2, evaluate_every=None)).model
    assert model.types == {torch.bfloat16, torch.float32}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    model.types.clear()
    assert fit(tmp_path / "other", settings(steps=2)).model.types == {torch.float32}


def test_it_learns(tmp_path: Path) -> None:
    part = settings(steps=150, batch_size=12, evaluate_every=50, schedule=parts.WarmupCosine(warmup=10))
    rows = fit(tmp_path, part, dropout=0.0).run.rows()
    losses = [row["valid_loss"] for row in rows if "valid_loss" in row]
    assert losses[0] == pytest.approx(math.log(V), rel=0.1)
    assert losses[-1] < 0.5 * losses[0]


# --- what is measured


def test_it_evaluates_before_every_so_often_and_after(tmp_path: Path) -> None:
    rows = fit(tmp_path, settings(steps=10)).run.rows()
    assert [row["step"] for row in rows] == list(range(11))
    evaluated = [row for row in rows if "valid_loss" in row]
    assert [row["step"] for row in evaluated] == [0, 4, 8, 10]
    for row in evaluated:
        assert row["valid_perplexity"] == pytest.approx(math.exp(row["valid_loss"]))
        assert row["valid_bits_per_byte"] == pytest.approx(row["valid_loss"] / math.log(2))


def test_without_an_interval_it_evaluates_before_and_after_only(tmp_path: Path) -> None:
    found = fit(tmp_path, settings(steps=6, evaluate_every=None, evaluate_batches=2))
    assert [row["step"] for row in found.run.rows() if "valid_loss" in row] == [0, 6]
    assert found.batches.evaluated == [2, 2]


def test_progress_is_reported_after_every_step(tmp_path: Path) -> None:
    reports: list[Progress] = []
    fit(tmp_path, settings(steps=5), report=reports.append)
    assert [(progress.step, progress.steps) for progress in reports] == [(step, 5) for step in range(1, 6)]
    for progress in reports:
        assert {"loss", "lr", "grad_norm", "tokens_per_second"} <= set(progress.metrics)
        assert progress.metrics["tokens_per_second"] > 0
    assert "valid_loss" in reports[3].metrics
    assert "valid_loss" not in reports[2].metrics


def test_the_threads_of_the_recipe_train_and_those_of_the_caller_come_back(tmp_path: Path) -> None:
    before, seen = torch.get_num_threads(), list[int]()
    fit(tmp_path / "own", settings(steps=2, threads=3), report=lambda _: seen.append(torch.get_num_threads()))
    fit(tmp_path / "any", settings(steps=1), report=lambda _: seen.append(torch.get_num_threads()))
    assert seen == [3, 3, before]
    assert torch.get_num_threads() == before


def test_metrics_hold_nothing_that_differs_between_two_runs_alike(tmp_path: Path) -> None:
    for name in ("a", "b"):
        fit(tmp_path / name, settings())
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_another_seed_trains_otherwise(tmp_path: Path) -> None:
    fit(tmp_path / "a", settings(), seed=7)
    fit(tmp_path / "b", settings(), seed=8)
    assert weights(tmp_path / "a") != weights(tmp_path / "b")


def test_evaluating_more_often_does_not_change_the_weights(tmp_path: Path) -> None:
    fit(tmp_path / "a", settings(evaluate_every=1, checkpoint_every=None))
    fit(tmp_path / "b", settings(evaluate_every=None, checkpoint_every=1))
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_dropout_differs_from_step_to_step(tmp_path: Path) -> None:
    class Same(FakeBatches):
        def rows(self, seed: int, step: int) -> Batch:
            return super().rows(seed, 0)

    what = training(tmp_path)
    still = Training(what.model, Same(), what.run, 7, what.device, what.report)
    settings(optimizer=parts.Sgd(lr=1e-12), steps=3).assemble(None).fit(still)
    assert len({row["loss"] for row in what.run.rows()[1:]}) == 3


def test_the_callers_random_state_is_left_alone(tmp_path: Path) -> None:
    what = training(tmp_path)
    before = torch.get_rng_state()
    settings().assemble(None).fit(what)
    assert torch.equal(torch.get_rng_state(), before)


# --- interruptions


class KilledError(Exception):
    pass


@pytest.mark.parametrize("optimizer", [parts.AdamW(lr=0.02), parts.Sgd(momentum=0.9), parts.Lion(lr=0.01)])
@pytest.mark.parametrize("at", [1, 4, 5, 7, 11, 12])
def test_a_killed_run_ends_with_the_bits_of_one_that_was_not(tmp_path: Path, at: int, optimizer: Any) -> None:
    def kill(progress: Progress) -> None:
        if progress.step == at:
            raise KilledError

    part = settings(optimizer=optimizer)
    fit(tmp_path / "whole", part)
    with pytest.raises(KilledError):
        fit(tmp_path / "killed", part, report=kill)
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    fit(tmp_path / "killed", part)
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")


def test_continuing_does_not_repeat_what_the_checkpoint_holds(tmp_path: Path) -> None:
    def kill(progress: Progress) -> None:
        if progress.step == 7:
            raise KilledError

    with pytest.raises(KilledError):
        fit(tmp_path, settings(), report=kill)
    steps: list[int] = []
    fit(tmp_path, settings(), report=lambda progress: steps.append(progress.step))
    assert steps == [6, 7, 8, 9, 10, 11, 12]


def test_a_finished_run_is_loaded_not_trained_again(tmp_path: Path) -> None:
    trained = fit(tmp_path, settings()).model
    steps: list[int] = []
    again = fit(tmp_path, settings(), report=lambda progress: steps.append(progress.step))
    assert not steps
    assert torch.equal(trained.head.weight, again.model.head.weight)


def interrupt(progress: Progress) -> None:
    if progress.step == 3:
        os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_saves_a_checkpoint_and_ends_the_training(tmp_path: Path) -> None:
    fit(tmp_path / "whole", settings())
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "stopped", settings(), report=interrupt)
    assert Run.open(tmp_path / "stopped").step == 4, "between two checkpoints"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    fit(tmp_path / "stopped", settings())
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "stopped") == metrics(tmp_path / "whole")


def test_an_interrupt_during_the_last_update_lets_the_run_finish(tmp_path: Path) -> None:
    fit(tmp_path, settings(steps=4), report=interrupt)
    assert Run.open(tmp_path).finished


def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    def impatient(progress: Progress) -> None:
        interrupt(progress)
        interrupt(progress)

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, settings(), report=impatient)
    assert Run.open(tmp_path).step == 0


def test_it_trains_in_a_thread_where_no_signal_arrives(tmp_path: Path) -> None:
    thread = threading.Thread(target=fit, args=(tmp_path, settings()))
    thread.start()
    thread.join()
    assert Run.open(tmp_path).finished


def test_ctrl_c_handled_by_others_is_left_to_them(tmp_path: Path) -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    try:
        fit(tmp_path, settings(), report=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert received == [signal.SIGINT]
    assert Run.open(tmp_path).finished


# --- failures


class Diverging(Small):
    """Whose loss, or else whose gradient, is no number from the seventh update on."""

    def __init__(self, gradient_only: bool) -> None:
        super().__init__()
        self.gradient_only = gradient_only
        self.calls = 0

    def loss(self, batch: Batch) -> Tensor:
        loss = super().loss(batch)
        self.calls += self.training
        if self.calls < 7:
            return loss
        # The root of 0 is 0, and its slope infinite.
        return loss + (self.head.bias[0] * 0).abs().sqrt() if self.gradient_only else loss * math.nan


@pytest.mark.parametrize("gradient_only", [False, True])
def test_a_loss_that_is_no_number_stops_before_anything_worse_is_written(tmp_path: Path, gradient_only: bool) -> None:
    what = training(tmp_path)
    model = Diverging(gradient_only)
    with pytest.raises(WorkError) as caught:
        settings(precision="bfloat16").assemble(None).fit(
            Training(model, what.batches, what.run, 7, what.device, what.report)
        )
    message = str(caught.value)
    assert "diverged at step 7" in message
    assert "learning rate 0.01" in message
    assert "gradient norm nan" in message
    assert "precision float32" in message
    assert "checkpoint of step 5 is kept" in message
    assert what.run.step == 5
    assert not what.run.finished
    assert [row["step"] for row in what.run.rows()] == list(range(7))
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_an_update_that_ruins_the_weights_is_found_by_the_evaluation_and_not_kept(tmp_path: Path) -> None:
    only = settings(steps=1, optimizer=parts.Sgd(lr=1e38), clip=None, checkpoint_every=1)
    other = training(tmp_path / "other")
    with pytest.raises(WorkError, match=r"diverged at step 1: validation loss"):
        only.assemble(None).fit(other)
    assert (other.run.finished, other.run.step) == (False, 0)


def test_a_schedule_that_does_not_fit_is_named_with_its_place() -> None:
    with pytest.raises(PartError, match=r"at schedule: a warm-up of 100 updates does not fit in 12"):
        settings(schedule=parts.WarmupCosine(warmup=100)).assemble(None)


def test_a_batch_with_nothing_to_score_changes_nothing_but_decay(tmp_path: Path) -> None:
    class Silent(FakeBatches):
        def train(self, step: int, size: int, seed: int, micro: int = 0) -> Batch:
            batch = super().train(step, size, seed, micro)
            return Batch(batch.tokens, torch.full_like(batch.targets, IGNORED)) if seed != 999 else batch

    what = training(tmp_path)
    before = what.model.head.weight.detach().clone()
    settings(optimizer=parts.Sgd(), steps=2).assemble(None).fit(
        Training(what.model, Silent(), what.run, 7, what.device, what.report)
    )
    assert torch.equal(what.model.head.weight, before)
    assert what.run.rows()[1]["loss"] == 0.0
