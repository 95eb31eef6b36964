"""When a run reached a target: read off its evaluations, and off a clock that only an uninterrupted run has."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from partwise import workflow
from partwise.errors import InputError
from partwise.recipe import load
from partwise.studies.execution.measuring import train_and_measure
from partwise.studies.execution.reaching import CLOCK, Clock, reached, seconds_at
from partwise.studies.results import Metric

ROWS = [{"step": 0, "valid_loss": 4.0}, {"step": 1, "loss": 1.0}, {"step": 100, "valid_loss": 3.0},
        {"step": 200, "valid_loss": 2.2}, {"step": 300, "valid_loss": 2.4}]  # fmt: skip


def to(target: float, name: str = "steps_to") -> Metric:
    return Metric(name=name, split="valid", goal="min", target=target, of="loss")


@pytest.mark.parametrize(
    ("target", "step"), [(5.0, 0), (3.5, 50), (3.0, 100), (2.6, 150), (2.2, 200), (2.3, 187.5), (2.0, inf)]
)
def test_it_is_the_first_evaluation_at_or_below_it_and_a_straight_line_from_the_one_before(target, step) -> None:
    assert reached(to(target), ROWS) == pytest.approx(step)


def test_a_run_without_evaluations_cannot_tell() -> None:
    with pytest.raises(InputError, match="has no loss of evaluations"):
        reached(to(2.0), ROWS[1:2])


def test_what_is_measured_of_a_real_run_agrees_with_its_curve(make_job, tmp_path: Path) -> None:
    trainer = {"evaluate_every": 5, "optimizer": {"use": "adam", "lr": 1e-2}}
    whole = train_and_measure(make_job(0, steps=20, trainer=trainer), tmp_path / "run", lambda progress: None)
    losses = [loss for _, loss in whole.curve]
    target = (max(losses[0], losses[-1]) + min(losses)) / 2
    after = next(number for number, loss in enumerate(losses) if loss <= target)
    assert after > 0
    (step, above), (then, below) = whole.curve[after - 1 : after + 1]
    expected = step + (above - target) / (above - below) * (then - step)
    found = {
        name: train_and_measure(
            make_job(0, steps=20, trainer=trainer, metric=to(target, name)), tmp_path / "run", lambda progress: None
        )
        for name in ("steps_to", "tokens_to", "seconds_to")
    }
    assert found["steps_to"].metric == pytest.approx(expected)
    per_row = workflow.prepare(load(make_job(0).recipe), print).tokens_per_row
    assert found["steps_to"].curve == whole.curve
    assert found["tokens_to"].metric == pytest.approx(found["steps_to"].metric * 2 * per_row)
    assert 0 < found["seconds_to"].metric < 60
    job = make_job(0, steps=20, trainer=trainer, metric=to(0.01))
    never = train_and_measure(job, tmp_path / "run", lambda progress: None)
    assert (never.state, never.metric, never.error) == ("done", None, None)
    assert never.answers(job)
    assert not never.answers(make_job(0, metric=to(0.02)))


def test_the_clock_of_a_run_that_was_interrupted_says_nothing(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    clock.at(1, evaluated=False)
    clock.at(5, evaluated=True)
    assert (tmp_path / CLOCK).exists()
    assert seconds_at(3, tmp_path) <= seconds_at(5, tmp_path)
    Clock(tmp_path).at(6, evaluated=True)
    with pytest.raises(InputError, match="the run was interrupted and continued"):
        seconds_at(3, tmp_path)
    (tmp_path / CLOCK).write_text("[1, 2]")
    with pytest.raises(InputError, match="not known"):
        seconds_at(3, tmp_path)
