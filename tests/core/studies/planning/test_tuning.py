"""Tuning: trials, equally many for each variant, and the value that is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from partwise.errors import RecipeError
from partwise.studies.definition.reading import load_study
from partwise.studies.execution.jobs import JobResult
from partwise.studies.planning.plan import Plan, make_plan
from partwise.studies.planning.tuning import recorded, trials, tuned

TUNE = {"at": "trainer.optimizer.lr", "values": [1e-4, 1e-3, 1e-2], "seeds": [100, 101]}


def plan(path: Path) -> Plan:
    return make_plan(load_study(path))


def test_every_variant_gets_as_many_trials_the_base_included(study) -> None:
    found = trials(plan(study(tune=TUNE)))
    counts = {name: sum(one.variant.name == name for one in found) for name in {one.variant.name for one in found}}
    assert counts == {"base": 6, "position=rope": 6, "position=alibi": 6, "norm=rms_norm": 6}
    assert {one.job.recipe["seed"] for one in found} == {100, 101}
    assert found[2].job.title == "tuning base, lr 0.001, seed 100"


def test_trials_are_judged_on_the_valid_split_whatever_the_study_compares(study) -> None:
    found = plan(study(tune=TUNE, metric={"split": "test"}))
    assert {one.job.metric.split for one in trials(found)} == {"valid"}
    assert {job.metric.split for job in found.jobs()} == {"test"}


def test_each_variant_takes_its_own_best_value_by_the_mean_over_seeds(study) -> None:
    found = plan(study(tune=TUNE))
    planned = trials(found)

    def come_to(one: Any) -> JobResult:
        wanted = 1e-2 if one.variant.name == "base" else 1e-3
        off = abs(one.value - wanted) + 0.01 * (one.seed % 2)
        return JobResult(identity=one.job.identity, state="done", metric=off)

    results = {one.job.identity: come_to(one) for one in planned}
    chosen = tuned(found, planned, results)
    assert [one.tuned["trainer.optimizer.lr"] for one in chosen.variants] == [1e-2, 1e-3, 1e-3, 1e-3]
    assert chosen.base.loaded.recipe.resolved()["trainer"]["optimizer"]["lr"] == 1e-2
    assert chosen.base.described().tuned == {"trainer.optimizer.lr": 1e-2}
    assert {one.metric for one in recorded(planned, results)} == {result.metric for result in results.values()}


def test_a_value_with_one_failure_loses_and_where_all_failed_nothing_changes(study) -> None:
    found = plan(study(tune=TUNE, factors={"p": {"at": "model.position", "values": ["rope"]}}))
    planned = trials(found)

    def come_to(one: Any) -> JobResult:
        fails = one.variant.name != "base" or (one.value == 1e-4 and one.seed == 101)
        state, metric = ("diverged", None) if fails else ("done", one.value)
        return JobResult(identity=one.job.identity, state=state, metric=metric)

    chosen = tuned(found, planned, {one.job.identity: come_to(one) for one in planned})
    assert chosen.variants[0].tuned == {"trainer.optimizer.lr": 1e-3}
    assert chosen.variants[1].tuned == {}


def test_values_that_do_not_fit_are_found_before_anything_runs(study) -> None:
    with pytest.raises(RecipeError, match="greater than 0"):
        trials(plan(study(tune={**TUNE, "values": [1e-3, -1.0]})))


def test_what_is_tuned_costs_what_the_table_says(study) -> None:
    found = trials(plan(study(tune={"at": "trainer.batch_size", "values": [2, 4], "seeds": [100]})))
    base = {one.value: one.variant.costs.tokens for one in found if one.variant.name == "base"}
    assert base[4] == 2 * base[2]


def test_tuning_does_not_undo_what_was_matched(study) -> None:
    match = {"quantity": "tokens", "knob": "trainer.steps"}
    path = study(tune={"at": "trainer.batch_size", "values": [2, 4], "seeds": [100]}, match=match)
    with pytest.raises(RecipeError, match=r"tuning must leave the tokens as they were matched, and 4 makes them"):
        trials(plan(path))
    assert trials(plan(study(tune=TUNE, match=match)))
