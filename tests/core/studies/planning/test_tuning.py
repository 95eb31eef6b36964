"""Tuning: trials, equally many for each variant, and the value that is chosen."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any

import pytest

from partwise.errors import RecipeError
from partwise.studies.definition.reading import load_study
from partwise.studies.definition.study import Halving, Tuning
from partwise.studies.execution.jobs import JobResult
from partwise.studies.planning.halving import counts, staying, whole_trainings
from partwise.studies.planning.plan import Plan, make_plan
from partwise.studies.planning.tuning import recorded, trials, tuned

KNOB = "trainer.optimizer.lr"
TUNE = {"at": KNOB, "values": [1e-4, 1e-3, 1e-2], "seeds": [100, 101]}


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
        off = abs(one.values[KNOB] - wanted) + 0.01 * (one.seed % 2)
        return JobResult(identity=one.job.identity, state="done", metric=off)

    results = {one.job.identity: come_to(one) for one in planned}
    chosen = tuned(found, planned, results)
    assert [one.tuned["trainer.optimizer.lr"] for one in chosen.variants] == [1e-2, 1e-3, 1e-3, 1e-3]
    assert chosen.base.loaded.recipe.resolved()["trainer"]["optimizer"]["lr"] == 1e-2
    assert chosen.base.described().tuned == {"trainer.optimizer.lr": 1e-2}
    assert {one.metric for one in recorded(found, planned, results)} == {result.metric for result in results.values()}


def test_a_value_with_one_failure_loses_and_where_all_failed_nothing_changes(study) -> None:
    found = plan(study(tune=TUNE, factors={"p": {"at": "model.position", "values": ["rope"]}}))
    planned = trials(found)

    def come_to(one: Any) -> JobResult:
        fails = one.variant.name != "base" or (one.values[KNOB] == 1e-4 and one.seed == 101)
        state, metric = ("diverged", None) if fails else ("done", one.values[KNOB])
        return JobResult(identity=one.job.identity, state=state, metric=metric)

    chosen = tuned(found, planned, {one.job.identity: come_to(one) for one in planned})
    assert chosen.variants[0].tuned == {"trainer.optimizer.lr": 1e-3}
    assert chosen.variants[1].tuned == {}


def test_values_that_do_not_fit_are_found_before_anything_runs(study) -> None:
    with pytest.raises(RecipeError, match="greater than 0"):
        trials(plan(study(tune={**TUNE, "values": [1e-3, -1.0]})))


def test_what_is_tuned_costs_what_the_table_says(study) -> None:
    found = trials(plan(study(tune={"at": "trainer.batch_size", "values": [2, 4], "seeds": [100]})))
    base = {one.values["trainer.batch_size"]: one.variant.costs.tokens for one in found if one.variant.name == "base"}
    assert base[4] == 2 * base[2]


def test_tuning_does_not_undo_what_was_matched(study) -> None:
    match = {"quantity": "tokens", "knob": "trainer.steps"}
    path = study(tune={"at": "trainer.batch_size", "values": [2, 4], "seeds": [100]}, match=match)
    with pytest.raises(RecipeError, match=r"tuning must leave the tokens as they were matched, and 4 makes them"):
        trials(plan(path))
    assert trials(plan(study(tune=TUNE, match=match)))


RANGES = {KNOB: {"low": 1e-4, "high": 1e-2, "log": True}, "trainer.optimizer.weight_decay": [0, 0.1]}


def points(path: Path) -> list[dict[str, Any]]:
    """What the base is tried with."""
    return [dict(one.values) for one in trials(plan(path)) if one.variant.name == "base"]


def test_listed_values_of_several_knobs_make_a_grid_for_every_variant(study) -> None:
    knobs = {KNOB: [1e-3, 1e-2], "trainer.optimizer.weight_decay": [0, 0.1, 0.3]}
    made = plan(study(tune={"knobs": knobs, "seeds": [100, 101]}))
    found = trials(made)
    assert len(found) == 4 * 6 * 2
    by_variant = {name: [one.values for one in found if one.variant.name == name] for name in ("base", "norm=rms_norm")}
    assert by_variant["base"] == by_variant["norm=rms_norm"]
    assert found[2].job.title == "tuning base, lr 0.001, weight_decay 0.1, seed 100"
    optimizer = found[2].job.recipe["trainer"]["optimizer"]
    assert (optimizer["lr"], optimizer["weight_decay"]) == (1e-3, 0.1)
    assert {one.training_flops is not None for one in recorded(made, found, {})} == {True}


def test_draws_are_the_same_for_all_and_more_of_them_begin_with_the_same(study) -> None:
    few, more = ({"knobs": RANGES, "draws": count, "seeds": [1000]} for count in (4, 8))
    found = trials(plan(study(tune=few)))
    assert len(found) == 4 * 4
    first = [one.values for one in found if one.variant.name == "base"]
    assert [one.values for one in found if one.variant.name == "position=rope"] == first
    assert points(study(tune=more))[:4] == first
    assert points(study(tune={**more, "draws_seed": 1}))[:4] != first
    alone = points(study(tune={"knobs": {KNOB: RANGES[KNOB]}, "draws": 4, "seeds": [1000]}))
    assert [one[KNOB] for one in alone] == [one[KNOB] for one in first], "whatever else is tuned"


def test_the_best_combination_is_taken_together(study) -> None:
    found = plan(study(tune={"knobs": RANGES, "draws": 6}))
    planned = trials(found)
    best = planned[4].values
    score = {one.job.identity: float(one.values != best) for one in planned}
    results = {key: JobResult(identity=key, state="done", metric=value) for key, value in score.items()}
    assert tuned(found, planned, results).base.tuned == best


def test_a_knob_that_costs_has_its_trials_cost_that(study) -> None:
    made = plan(study(tune={"knobs": {"trainer.steps": [2, 4]}, "seeds": [1000]}))
    found = trials(made)
    told = [one.training_flops for one in recorded(made, found, {}) if one.variant == "base"]
    assert told[1] == 2 * told[0]


OWN = {"at": KNOB, "values": [1e-4, 1e-3, 1e-2]}


def test_by_default_each_seed_has_trials_with_a_seed_of_their_own_and_its_own_choice(study) -> None:
    found = plan(study(tune=OWN, seeds=[0, 3]))
    planned = trials(found)
    assert {(one.seed, one.chooses) for one in planned} == {(10_000, 0), (10_003, 3)}
    assert {(one.seed, one.chooses) for one in trials(plan(study(tune=OWN, seeds=[0, 10_000])))} == {
        (20_000, 0), (30_000, 10_000),
    }  # fmt: skip

    def come_to(one: Any) -> JobResult:
        wanted = 1e-2 if one.chooses == 3 and one.variant.name == "base" else 1e-3
        return JobResult(identity=one.job.identity, state="done", metric=abs(one.values[KNOB] - wanted))

    chosen = tuned(found, planned, {one.job.identity: come_to(one) for one in planned})
    rates = {job.recipe["seed"]: job.recipe["trainer"]["optimizer"]["lr"] for job in chosen.jobs("base")}
    assert rates == {0: 1e-3, 3: 1e-2}
    assert {job.recipe["trainer"]["optimizer"]["lr"] for job in chosen.jobs("position=rope")} == {1e-3}
    assert chosen.base.identity(3) == next(job.identity for job in chosen.jobs("base") if job.recipe["seed"] == 3)


def test_a_seed_whose_trials_all_failed_stays_as_it_was(study) -> None:
    found = plan(study(tune=OWN, seeds=2))
    planned = trials(found)
    results = {
        one.job.identity: JobResult(
            identity=one.job.identity, state="failed" if one.chooses == 1 else "done", metric=one.values[KNOB]
        )
        for one in planned
    }
    jobs = tuned(found, planned, results).jobs("base")
    assert jobs[0].recipe["trainer"]["optimizer"]["lr"] == 1e-4
    assert jobs[1].identity == found.jobs("base")[1].identity


HALVED = {"at": KNOB, "values": [1e-4, 1e-3, 1e-2], "halving": {"rungs": [0.2, 0.6], "keep": 0.5}, "seeds": [100]}
LONG = {"trainer": {"steps": 10}}


def long(recipe: dict[str, Any]) -> dict[str, Any]:
    return {"extends": "base.json", **LONG}


def test_trials_that_are_halved_stop_at_each_rung_with_the_schedule_of_the_whole_training(study, recipe) -> None:
    found = trials(plan(study(base=long(recipe), tune=HALVED)))
    assert [job.until for job in found[0].jobs] == [2, 6, None]
    assert {job.recipe["trainer"]["steps"] for job in found[0].jobs} == {10}
    assert len({job.identity for job in found[0].jobs}) == 1
    never = trials(plan(study(base=long(recipe), tune={**HALVED, "halving": None})))
    assert never[0].job.identity != found[0].job.identity, "a run that never stops has no figures at the rungs"


def test_the_better_share_goes_on_rounded_and_none_that_failed() -> None:
    assert staying([3.0, 1.0, 2.0, 4.0], 0.5) == [1, 2]
    assert staying([3.0, 1.0, 2.0], 0.5) == [1, 2]
    assert staying([3.0, 1.0, 2.0], 0.34) == [1]
    assert staying([1.0, 1.0, 1.0], 0.3) == [0]
    assert staying([inf, 1.0, inf, inf], 0.5) == [1]
    assert staying([inf, inf], 0.5) == []


def test_what_halving_takes_is_counted_in_whole_trainings() -> None:
    tune = Tuning(at=KNOB, values=(*range(9),), halving=Halving(rungs=(0.1, 0.3), keep=0.34))
    assert counts(tune) == [9, 3, 1]
    assert whole_trainings(tune) == pytest.approx(9 * 0.1 + 3 * 0.2 + 1 * 0.7)
    assert whole_trainings(tune.model_copy(update={"halving": None})) == 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tune": {**HALVED, "halving": {"rungs": [0.3, 0.1]}}}, "rungs are shares of a training that rise"),
        ({"tune": {**HALVED, "halving": {"rungs": [0.1, 1.0]}}}, "less than 1"),
        ({"tune": {**HALVED, "halving": {"rungs": []}}}, "tune.halving.rungs"),
        ({"tune": {**HALVED, "halving": {"keep": 1.0}}}, "less than 1"),
        ({"tune": {**HALVED, "halving": {"rung": [0.1]}}}, "did you mean 'rungs'"),
        (
            {"tune": HALVED, "metric": {"name": "steps_to", "target": 2.0}},
            "steps_to says nothing of trials that are stopped before they reach the target",
        ),
        ({"tune": {**HALVED, "at": "trainer.steps", "values": [5, 10]}}, "the updates of a trial are tuned"),
        ({"tune": HALVED}, "the trainer makes 2 updates, too few"),
    ],
)
def test_a_halving_that_cannot_be_is_refused(study, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        trials(plan(study(**changes)))
    assert message in str(caught.value)
