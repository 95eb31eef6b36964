"""A study from its file to its results, on an engine that only pretends; once, on the real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from partwise.errors import InputError
from partwise.studies.ablation import ablate
from partwise.studies.analysis import analyse
from partwise.studies.definition.reading import load_study
from partwise.studies.directories import study_directories
from partwise.studies.planning.plan import make_plan
from partwise.studies.report.report import Report
from partwise.studies.results import Halving, Results

from ...small_study import run_study as run


def states(results: Results) -> dict[str, int]:
    found = [outcome.state for outcome in results.outcomes]
    return {state: found.count(state) for state in found}


def test_every_run_is_done_and_written_down(study, here: Path, engine, pretending) -> None:
    results = run(study(metric={"smallest_effect": 0.1}), pretending, command="partwise ablate mine.json")
    assert states(results) == {"done": 12}
    assert (results.study, results.baseline, results.seeds) == ("mine", "base", [0, 1, 2])
    assert results.factors == {"position": ["none", "rope", "alibi"], "norm": ["layer_norm", "rms_norm"]}
    assert [one.levels for one in results.variants][1] == {"position": "rope", "norm": "layer_norm"}
    assert results.values("position=rope") == pytest.approx({0: 1.5, 1: 1.511, 2: 1.522})
    assert Results.load(here / "studies" / "mine" / "results.json") == results
    assert (here / "studies" / "mine" / "study.json").read_text() == (here / "mine.json").read_text()


def test_provenance_says_where_the_figures_come_from(study, here: Path, engine, pretending) -> None:
    found = run(study(), pretending, command="partwise ablate mine.json").provenance
    assert found["command"] == "partwise ablate mine.json"
    assert found["environment"]["torch"]
    assert len(found["data"]) == 64
    assert found["recipe"]["model"]["width"] == 16, "of the base, which the study only names"
    assert found["git"] is None, "the current directory is in no repository"
    assert found["started"] <= found["finished"]


def test_started_again_it_repeats_nothing(study, engine, pretending) -> None:
    path = study()
    first = run(path, pretending)
    again = run(path, pretending)
    assert len(engine.done) == 12
    assert again.outcomes == first.outcomes
    assert again.provenance["started"] == first.provenance["started"]


@pytest.mark.parametrize("stop", [0, 1, 5, 11])
def test_stopped_at_any_run_it_goes_on_and_the_table_is_the_same(
    study, engine, pretending, here: Path, stop: int
) -> None:
    path = study()
    engine.stop_after = stop
    with pytest.raises(KeyboardInterrupt):
        run(path, pretending)
    kept = Results.load(here / "studies" / "mine" / "results.json")
    assert states(kept).get("done", 0) == stop
    assert states(kept)["waiting"] == 12 - stop
    engine.stop_after = None
    results = run(path, pretending)
    assert states(results) == {"done": 12}
    assert len({job.identity for job in engine.done}) == len(engine.done) == 12


def test_runs_are_shared_between_studies_beside_each_other(study, engine, pretending) -> None:
    run(study(), pretending)
    factors = {"position": {"at": "model.position", "values": ["none", "rope", "learned"], "baseline": "none"}}
    other = run(study(name="other", factors=factors), pretending)
    assert states(other) == {"done": 9}
    assert len(engine.done) == 12 + 3, "learned alone is new"


def test_failures_are_kept_and_tried_again_only_when_asked(study, engine, pretending) -> None:
    def fails(job: Any) -> dict[str, Any]:
        if "alibi" in job.title:
            return {"state": "failed", "error": "out of memory", "output": "Killed"}
        return {"state": "diverged", "error": "loss nan"} if "norm" in job.title else {"state": "done", "metric": 1.0}

    better = engine.outcome
    engine.outcome = staticmethod(fails)
    path = study()
    results = run(path, pretending)
    assert states(results) == {"done": 6, "failed": 3, "diverged": 3}
    assert results.of("position=alibi")[0].error == "out of memory"
    run(path, pretending)
    assert len(engine.done) == 12
    engine.outcome = staticmethod(better)
    assert states(run(path, pretending, retry_failed=True)) == {"done": 9, "diverged": 3}
    assert len(engine.done) == 15


def test_one_variant_alone_may_be_run(study, engine, pretending) -> None:
    results = run(study(), pretending, only="position=rope")
    assert states(results) == {"done": 3, "waiting": 9}
    with pytest.raises(InputError, match="did you mean 'position=rope'"):
        run(study(), pretending, only="position=rop")


def test_tuning_comes_first_and_its_choice_is_what_runs(study, engine, pretending) -> None:
    def depends_on_rate(job: Any) -> dict[str, Any]:
        wanted = 1e-2 if job.recipe["model"]["position"]["use"] == "rope" else 1e-3
        return {"state": "done", "metric": abs(job.recipe["trainer"]["optimizer"]["lr"] - wanted)}

    engine.outcome = staticmethod(depends_on_rate)
    tune = {"at": "trainer.optimizer.lr", "values": [1e-3, 1e-2], "seeds": [100]}
    path = study(tune=tune)
    results = run(path, pretending)
    assert len(engine.done) == 4 * 2 + 4 * 3
    assert all(job.title.startswith("tuning") for job in engine.done[:8])
    assert {one.name: one.tuned["trainer.optimizer.lr"] for one in results.variants} == {
        "base": 1e-3,
        "position=rope": 1e-2,
        "position=alibi": 1e-3,
        "norm=rms_norm": 1e-3,
    }
    assert results.tuned_knobs == {"trainer.optimizer.lr": None}
    assert [(one.variant, one.values["trainer.optimizer.lr"], one.metric) for one in results.trials[:2]] == [
        ("base", 1e-3, 0.0),
        ("base", 1e-2, pytest.approx(9e-3)),
    ]
    assert {outcome.metric for outcome in results.outcomes} == {0.0}
    run(path, pretending)
    assert len(engine.done) == 20


def test_each_seed_is_tuned_for_itself_and_only_when_its_look_comes(study, engine, pretending) -> None:
    def depends(job: Any) -> dict[str, Any]:
        recipe = job.recipe
        wanted = 1e-2 if recipe["seed"] % 10_000 == 1 else 1e-3
        gain = 0.0 if recipe["model"]["position"]["use"] == "none" else 1.0 + 1e-3 * recipe["seed"] % 7
        return {"state": "done", "metric": 10 - gain + abs(recipe["trainer"]["optimizer"]["lr"] - wanted)}

    engine.outcome = staticmethod(depends)
    factors = {"position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"}}
    looks = [{"seeds": 4, "alpha": 0.02}, {"seeds": 8, "alpha": 0.03}]
    tune = {"at": "trainer.optimizer.lr", "values": [1e-3, 1e-2]}
    path = study(factors=factors, seeds=8, looks=looks, tune=tune)
    results = run(path, pretending)
    assert states(results) == {"done": 8, "waiting": 8}
    assert sum(trial.state == "done" for trial in results.trials) == 2 * 2 * 4
    rates = {(one.variant, one.seed): one.tuned.get("trainer.optimizer.lr") for one in results.outcomes}
    assert [rates["base", seed] for seed in range(8)] == [1e-3, 1e-2, 1e-3, 1e-3, None, None, None, None]
    assert results.variants[0].tuned == {"trainer.optimizer.lr": 1e-3}
    before = len(engine.done)
    assert run(path, pretending).outcomes == results.outcomes
    assert len(engine.done) == before


def halved(job: Any) -> dict[str, Any]:
    """The rate that is best in the end is second best at first, and one diverges."""
    rate, early = job.recipe["trainer"]["optimizer"]["lr"], job.until is not None
    order = {1e-1: None, 1e-2: 1.0 if early else 2.0, 1e-3: 2.0 if early else 1.0, 1e-4: 3.0, 1e-5: 4.0}
    metric = order[rate]
    return {"state": "diverged"} if metric is None else {"state": "done", "metric": metric + job.recipe["seed"] * 1e-6}


def test_trials_that_are_behind_are_stopped_and_a_study_killed_in_between_goes_on(study, engine, pretending) -> None:
    engine.outcome = staticmethod(halved)
    halving = {"rungs": [0.2, 0.5], "keep": 0.5}
    tune = {"at": "trainer.optimizer.lr", "values": [1e-1, 1e-2, 1e-3, 1e-4, 1e-5], "halving": halving}
    factors = {"position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"}}
    base = {"extends": "base.json", "trainer": {"steps": 10}}
    path = study(base=base, factors=factors, tune=tune, seeds=3)
    for stop in (7, 33, 49):
        engine.stop_after = stop
        with pytest.raises(KeyboardInterrupt):
            run(path, pretending)
    engine.stop_after = None
    results = run(path, pretending)
    # Of five, three go on (of which none may have diverged), then two: in each of six choices.
    assert [sum(job.until == until for job in engine.done) for until in (2, 5, None)] == [30, 18, 12 + 6]
    assert results.halving == Halving(rungs=[0.2, 0.5], keep=0.5)
    own = [one for one in results.trials if (one.variant, one.chooses) == ("base", 1)]
    assert [one.state for one in own] == ["diverged", "done", "done", "stopped", "stopped"]
    assert [len(one.rungs) for one in own] == [0, 2, 2, 2, 1]
    assert {one.tuned["trainer.optimizer.lr"] for one in results.outcomes} == {1e-3}
    whole, stopped = own[1].training_flops, own[4].training_flops
    assert stopped == pytest.approx(0.2 * whole)
    assert run(path, pretending).trials == results.trials
    told = Report(results, analyse(results)).tuning
    assert (
        "the best 50 % of the combinations went on after 20 % and 50 % of their training; 12 of 30 trials were behind"
        in told
    )


def test_a_declared_look_that_decides_everything_ends_the_study(study, engine, pretending) -> None:
    factors = {"position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"}}
    looks = [{"seeds": 4, "alpha": 0.02}, {"seeds": 8, "alpha": 0.03}]
    results = run(study(factors=factors, seeds=8, looks=looks), pretending)
    assert states(results) == {"done": 8, "waiting": 8}
    assert [look.seeds for look in results.looks] == [4, 8]


def test_a_look_that_decides_nothing_lets_it_go_on(study, engine, pretending) -> None:
    noise = {"state": "done"}
    engine.outcome = staticmethod(lambda job: {**noise, "metric": float(int(job.identity, 16) % 97)})
    looks = [{"seeds": 3, "alpha": 0.001}, {"seeds": 5, "alpha": 0.049}]
    assert states(run(study(seeds=5, looks=looks), pretending)) == {"done": 20}


def test_results_say_whether_the_tokenizer_varies(study, engine, pretending) -> None:
    factors = {"tokenizer": {"at": "tokenizer", "values": [{"use": "bpe", "vocab_size": 300}]}}
    assert run(study(factors=factors, metric={"name": "bits_per_byte"}), pretending).tokenizer_varies
    assert not run(study(name="other"), pretending).tokenizer_varies


def test_a_directory_of_another_study_is_left_alone(study, engine, pretending, here: Path) -> None:
    run(study(), pretending)
    loaded = load_study(study(name="other"))
    with pytest.raises(InputError, match="holds the study 'mine', and this is 'other'"):
        ablate(make_plan(loaded), study_directories(loaded, here / "studies" / "mine"))
