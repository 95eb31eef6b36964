"""Plans: identities, tuning, time, power; and what was done is not planned again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from partwise.errors import InputError, RecipeError
from partwise.machine import cores
from partwise.parts import TrainerPart
from partwise.provenance import sources
from partwise.studies.analysis.power import detectable_size
from partwise.studies.definition.reading import load_study
from partwise.studies.directories import places
from partwise.studies.execution.jobs import JobResult
from partwise.studies.forecast import forecast
from partwise.studies.planning import timing as calibration
from partwise.studies.planning.costs import Ledger
from partwise.studies.planning.plan import Plan, make_plan
from partwise.studies.planning.timing import Speed, estimate, time_steps
from partwise.studies.planning.tuning import recorded, trials, tuned


class Unplanned(TrainerPart):
    """A trainer that does not say how many updates it makes."""

    name = "unplanned"


def plan(path: Path, **more: Any) -> Plan:
    return make_plan(load_study(path), **more)


def test_there_is_a_run_for_every_variant_and_seed_seed_by_seed(study) -> None:
    jobs = plan(study()).jobs()
    assert len({job.identity for job in jobs}) == len(jobs) == 4 * 3
    assert [job.title for job in jobs[:5]] == [
        "base, seed 0",
        "position=rope, seed 0",
        "position=alibi, seed 0",
        "norm=rms_norm, seed 0",
        "base, seed 1",
    ]
    assert [job.recipe["seed"] for job in jobs] == [seed for seed in range(3) for _ in range(4)]


def test_a_job_says_all_that_another_machine_needs(study, here: Path) -> None:
    limits = {"use": "local", "timeout": 60, "memory": 1.5, "retries": 2}
    metric = {"name": "bits_per_byte", "split": "test", "context": 8, "batches": 3}
    job = plan(study(run=limits, metric=metric)).jobs()[0]
    assert (job.timeout, job.memory, job.retries) == (60, 1_500_000_000, 2)
    assert (job.metric.name, job.metric.split, job.metric.context, job.metric.batches) == (
        "bits_per_byte",
        "test",
        8,
        3,
    )
    assert job.directory == here
    assert job.metric.label == "bits per byte (test, context 8)"


def test_the_same_run_has_the_same_identity_in_every_study(study) -> None:
    one = plan(study())
    other = plan(study(name="other", factors={"p": {"at": "model.position", "values": ["rope"]}}, seeds=5))
    shared = {job.identity for job in one.jobs()} & {job.identity for job in other.jobs()}
    assert len(shared) == 2 * 3, "base and rope, seeds 0 to 2"


def test_identity_changes_with_all_that_decides_the_result(study, here: Path, monkeypatch) -> None:
    path = study()
    before = plan(path).base
    identity = before.identity(0)
    assert identity == plan(path).base.identity(0)
    assert identity != before.identity(1)
    (here / "corpus.txt").write_text((here / "corpus.txt").read_text().replace("fox", "ox"))
    assert plan(path).base.identity(0) != identity
    monkeypatch.setattr(sources, "source_hash", lambda part: "other code")
    assert before.identity(0) != identity


def test_labels_and_the_sampler_leave_an_identity_as_it_is(study, here: Path, recipe: dict[str, Any]) -> None:
    path = study()
    before = plan(path).base.identity(0)
    (here / "base.json").write_text(json.dumps({**recipe, "about": "another word", "sampler": "greedy"}))
    assert plan(path).base.identity(0) == before


def test_more_seeds_may_be_asked_for(study) -> None:
    assert plan(study(), seeds=7).seeds == tuple(range(7))


def test_but_not_past_the_looks_that_the_study_declares(study) -> None:
    looks = [{"seeds": 3, "alpha": 0.05}]
    with pytest.raises(InputError, match="declares its last look after 3 seeds; for 7"):
        plan(study(looks=looks), seeds=7)


def test_a_metric_per_token_is_refused_where_the_tokenizer_varies(study) -> None:
    factors = {"tokenizer": {"at": "tokenizer", "values": [{"use": "bpe", "vocab_size": 300}]}}
    with pytest.raises(RecipeError, match="bits_per_byte"):
        plan(study(factors=factors))
    found = plan(study(factors=factors, metric={"name": "bits_per_byte"}))
    assert found.variants[1].costs.parameters > found.base.costs.parameters


def test_a_tokenizer_trained_on_other_texts_is_another(study, here: Path) -> None:
    (here / "other.txt").write_text("ÀÉÎ ÕÜ, said the hound; " * 200)
    factors = {"texts": {"at": "data.files", "values": [["other.txt"]]}}
    with pytest.raises(RecipeError, match="the tokenizer varies between variants"):
        plan(study(factors=factors))
    assert plan(study(factors=factors, metric={"name": "bits_per_byte"})).tokenizer_varies
    assert not plan(study()).tokenizer_varies


def test_data_that_does_not_suit_a_variant_is_found_at_planning(study) -> None:
    factors = {"context": {"at": "model.context", "values": [32, 100_000]}}
    with pytest.raises(RecipeError) as caught:
        plan(study(factors=factors))
    assert "fewer than a window of context + 1 = 100001" in str(caught.value)
    assert "note: in variant context=100000" in str(caught.value)


# --- tuning -------------------------------------------------------------------------------------------

TUNE = {"at": "trainer.optimizer.lr", "values": [1e-4, 1e-3, 1e-2], "seeds": [100, 101]}


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


# --- time, disk, power --------------------------------------------------------------------------------


def test_time_is_steps_and_evaluations_over_slots(study, monkeypatch) -> None:
    monkeypatch.setattr(calibration, "time_steps", lambda loaded, threads: Speed(step=10.0, evaluation=1.0))
    found = estimate(plan(study()), {"base": 3, "norm=rms_norm": 2}, slots=2, threads=1)
    assert found is not None
    # Two updates, an evaluation before, after each, and one of the study's own.
    each = calibration.START + 2 * 10.0 + 4 * 1.0
    assert found.seconds_per_run == {"base": each, "norm=rms_norm": each}
    assert found.seconds == pytest.approx(5 * each / 2)
    assert found.runs == 5


def test_a_trainer_that_does_not_plan_its_updates_is_not_forecast(study, monkeypatch) -> None:
    monkeypatch.setattr(calibration, "time_steps", lambda loaded, threads: Speed(step=10.0, evaluation=1.0))
    found = plan(study())
    recipe = found.base.loaded.recipe.model_copy(update={"trainer": Unplanned()})
    base = replace(found.base, loaded=replace(found.base.loaded, recipe=recipe))
    assert Ledger().costs(base.loaded).tokens == 0
    assert estimate(replace(found, variants=(base,)), {"base": 3}, slots=2, threads=1) is None


def test_an_engine_that_does_not_say_how_many_runs_it_does_at_once_has_the_documented_default(pretending) -> None:
    assert pretending.runs_at_once() == min(cores(), 4)


def test_steps_are_timed_by_making_some_and_leave_nothing_behind(study, here: Path, recipe: dict[str, Any]) -> None:
    recipe["trainer"]["steps"] = 50
    (here / "base.json").write_text(json.dumps(recipe))
    base = plan(study()).base.loaded
    before = sorted(path.name for path in here.iterdir())
    found = time_steps(base, threads=1)
    assert found is not None
    assert 0 < found.step < 10
    assert sorted(path.name for path in here.iterdir()) == before


def test_the_smallest_effect_is_told_in_the_metrics_unit_where_a_spread_is_known(
    study, here: Path, monkeypatch
) -> None:
    monkeypatch.setattr(calibration, "time_steps", lambda loaded, threads: None)

    def told(**metric: Any) -> Any:
        found = plan(study(seeds=5, metric=metric))
        return forecast(found, places(found.study), found.study.study.run)

    # Three comparisons share alpha; published value for one test and 5 seeds is 1.68 (see the tests of power).
    sds = detectable_size(5, 0.05 / 3)
    assert told().detectable_sds == pytest.approx(sds, rel=1e-6)
    assert told().detectable is None
    assert told(spread=0.1).detectable == pytest.approx(sds * 0.1 * 2**0.5, rel=1e-6)
    assert told(spread=0.1, smallest_effect=0.05).seeds_needed > 5


def test_below_three_seeds_nothing_is_detected(study, monkeypatch) -> None:
    monkeypatch.setattr(calibration, "time_steps", lambda loaded, threads: None)
    found = plan(study(), seeds=2)
    assert forecast(found, places(found.study), found.study.study.run).detectable_sds is None


def test_the_pool_is_no_place_for_a_study(study) -> None:
    with pytest.raises(InputError, match="is where the runs of studies are kept"):
        places(load_study(study(name="pool")))


@pytest.mark.parametrize(
    ("data", "metric", "message"),
    [
        ({"test": 0.0}, {"split": "test"}, "the test split holds no text to evaluate on"),
        ({}, {"context": 100_000}, "the train split holds"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_trained(
    study, recipe: dict[str, Any], data: dict[str, Any], metric: dict[str, Any], message: str
) -> None:
    path = study(base={**recipe, "data": {**recipe["data"], **data}}, metric=metric)
    with pytest.raises(RecipeError) as caught:
        plan(path)
    assert message in str(caught.value)
    assert "at metric" in str(caught.value)
