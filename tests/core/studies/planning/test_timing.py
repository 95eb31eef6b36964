"""The time that a study takes, from a few steps on this machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from partwise.machine import cores
from partwise.parts import TrainerPart
from partwise.studies.definition.reading import load_study
from partwise.studies.planning import timing
from partwise.studies.planning.costs import Ledger
from partwise.studies.planning.plan import make_plan
from partwise.studies.planning.speed import START, Speed, time_steps
from partwise.studies.planning.timing import estimate


class Unplanned(TrainerPart):
    """A trainer that does not say how many updates it makes."""

    name = "unplanned"


def test_time_is_steps_and_evaluations_over_slots(study, monkeypatch) -> None:
    monkeypatch.setattr(timing, "time_steps", lambda loaded, threads: Speed(step=10.0, evaluation=1.0))
    found = estimate(
        make_plan(load_study(study())), {("base", None, None): 3, ("norm=rms_norm", None, None): 2}, slots=2, threads=1
    )
    assert found is not None
    # Two updates, an evaluation before, after each, and one of the study's own.
    each = START + 2 * 10.0 + 4 * 1.0
    assert found.seconds_per_run == {("base", None, None): each, ("norm=rms_norm", None, None): each}
    assert found.seconds == pytest.approx(5 * each / 2)
    assert found.runs == 5


def test_a_trainer_that_does_not_plan_its_updates_is_not_forecast(study, monkeypatch) -> None:
    monkeypatch.setattr(timing, "time_steps", lambda loaded, threads: Speed(step=10.0, evaluation=1.0))
    found = make_plan(load_study(study()))
    recipe = found.base.loaded.recipe.model_copy(update={"trainer": Unplanned()})
    base = replace(found.base, loaded=replace(found.base.loaded, recipe=recipe))
    assert Ledger().costs(base.loaded).tokens == 0
    assert estimate(replace(found, variants=(base,)), {("base", None, None): 3}, slots=2, threads=1) is None


def test_an_engine_that_does_not_say_how_many_runs_it_does_at_once_has_the_documented_default(pretending) -> None:
    assert pretending.runs_at_once() == min(cores(), 4)


def test_steps_are_timed_by_making_some_and_leave_nothing_behind(study, here: Path, recipe: dict[str, Any]) -> None:
    recipe["trainer"]["steps"] = 50
    (here / "base.json").write_text(json.dumps(recipe))
    base = make_plan(load_study(study())).base.loaded
    before = sorted(path.name for path in here.iterdir())
    found = time_steps(base, threads=1)
    assert found is not None
    assert 0 < found.step < 10
    assert sorted(path.name for path in here.iterdir()) == before
