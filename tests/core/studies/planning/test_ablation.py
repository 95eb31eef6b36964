"""A study from file to results, on an engine that only pretends; once, on the real one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from partwise.errors import InputError
from partwise.provenance.environment import revision
from partwise.studies.ablation import ablate
from partwise.studies.analysis import analyse
from partwise.studies.definition.reading import load_study
from partwise.studies.directories import places
from partwise.studies.execution.execute import known_results
from partwise.studies.planning.plan import make_plan
from partwise.studies.results import Results
from partwise_cli.main import cli


def run(path: Path, pretending: Any, **more: Any) -> Results:
    loaded = load_study(path)
    return ablate(make_plan(loaded), places(loaded), engine=pretending, **more)


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
    assert results.tuned_knob == "trainer.optimizer.lr"
    assert [(one.variant, one.value, one.metric) for one in results.trials[:2]] == [
        ("base", 1e-3, 0.0),
        ("base", 1e-2, pytest.approx(9e-3)),
    ]
    assert {outcome.metric for outcome in results.outcomes} == {0.0}
    run(path, pretending)
    assert len(engine.done) == 20


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


def test_seeds_that_are_added_after_the_verdicts_are_told_to_the_reader(study, engine, pretending) -> None:
    assert run(study(), pretending).seen == []
    assert run(study(seeds=4), pretending).seen == [3]
    results = run(study(seeds=6), pretending)
    assert results.seen == [3, 4]
    assert any("after 3 and 4 seeds were reported before" in note.text for note in analyse(results).notes)
    assert run(study(seeds=6), pretending).seen == [3, 4], "nor does it forget"


def test_a_study_that_told_no_verdict_yet_may_grow(study, engine, pretending) -> None:
    run(study(seeds=2), pretending)
    engine.stop_after = 10
    with pytest.raises(KeyboardInterrupt):
        run(study(seeds=3), pretending)
    engine.stop_after = None
    assert run(study(seeds=5), pretending).seen == [], "two seeds give no verdict, nor does a table with runs waiting"


def test_a_study_that_asks_something_else_under_its_old_name_has_seen_nothing(study, engine, pretending) -> None:
    run(study(), pretending)
    factors = {"width": {"at": "model.width", "values": [32], "baseline": 8}}
    assert run(study(factors=factors, seeds=5), pretending).seen == []


def test_a_question_that_is_changed_after_the_verdicts_is_told_to_the_reader(study, engine, pretending) -> None:
    assert run(study(metric={"smallest_effect": 0.1}), pretending).revised == []
    results = run(study(metric={"smallest_effect": 0.6}, alpha=0.1), pretending)
    assert results.revised == ["smallest effect: 0.1, then 0.6", "alpha: 0.05, then 0.1"]
    assert any("smallest effect: 0.1, then 0.6; alpha: 0.05, then 0.1" in note.text for note in analyse(results).notes)
    factors = {"position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"}}
    fewer = run(study(metric={"smallest_effect": 0.6}, alpha=0.1, factors=factors), pretending)
    assert fewer.revised[2:] == ["left out: position=alibi, norm=rms_norm"], "nor does it forget"


def test_to_call_the_worse_the_better_afterwards_is_told_too(study, engine, pretending) -> None:
    run(study(metric={"goal": "min"}), pretending)
    assert run(study(metric={"goal": "max"}), pretending).revised == ["better: less, then more"]


def test_a_question_may_be_changed_before_there_are_verdicts(study, engine, pretending) -> None:
    run(study(seeds=2, metric={"smallest_effect": 0.1}), pretending)
    assert run(study(metric={"smallest_effect": 0.6}), pretending).revised == []
    width = {"width": {"at": "model.width", "values": [32], "baseline": 8}}
    assert run(study(metric={"smallest_effect": 0.7}, factors=width), pretending).revised == []


def test_runs_that_are_no_longer_there_are_not_trained_again_in_silence(study, here: Path, engine, pretending) -> None:
    path, told = study(), list[str]()
    run(path, pretending, say=told.append)
    assert told == []
    for one in list((here / "studies" / "pool").iterdir())[:12]:
        if (one / "result.json").exists():
            (one / "result.json").unlink()
    gone = 12 - len(known_results(make_plan(load_study(path)).jobs(), here / "studies" / "pool"))
    run(path, pretending, say=told.append)
    assert told == [f"{gone} runs of results.json lost from the pool; trained again"]
    run(study(base={"extends": "base.json", "trainer": {"steps": 9}}), pretending, say=told.append)
    assert "12 runs of results.json made by what has changed since" in told[1]


def test_a_directory_of_another_study_is_left_alone(study, engine, pretending, here: Path) -> None:
    run(study(), pretending)
    loaded = load_study(study(name="other"))
    with pytest.raises(InputError, match="holds the study 'mine', and this is 'other'"):
        ablate(make_plan(loaded), places(loaded, here / "studies" / "mine"), engine=pretending)


def test_a_repository_is_told_with_what_was_changed(here: Path) -> None:
    def git(*words: str) -> None:
        name = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *name, *words], cwd=here, check=True, capture_output=True)

    git("init", "--quiet")
    (here / "a.txt").write_text("one\n")
    git("add", "a.txt")
    git("commit", "--quiet", "-m", "one")
    clean = revision(here)
    assert clean is not None
    assert (clean["dirty"], clean["diff"]) == (False, "")
    (here / "a.txt").write_text("two\n")
    (here / "new.txt").write_text("")
    found = revision(here)
    assert found is not None
    assert found["revision"] == clean["revision"]
    assert found["dirty"]
    assert "+two" in found["diff"]
    assert found["untracked"] == ["new.txt"]


def test_without_git_there_is_no_revision(here: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert revision(here) is None


# --- the command ----------------------------------------------------------------------------------------


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="partwise", env={"COLUMNS": "200"})


TWO = {"position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"}}


def test_the_command_plans_runs_reports_and_tells_how_far_it_is(study, here: Path) -> None:
    study(factors=TWO, run={"use": "local", "slots": 1}, metric={"spread": 0.1})
    planned = call("ablate", "mine.json", "--plan")
    assert planned.exit_code == 0, planned.output
    assert "position=rope" in planned.stdout
    assert "6 (2 variants, 3 seeds), 0 done" in planned.stdout
    assert "a difference of " in planned.stdout
    assert not (here / "studies").exists(), "a plan runs nothing"

    done = call("ablate", "mine.json")
    assert done.exit_code == 0, done.output
    assert "report: studies/mine/report.html" in done.stdout
    assert "position: rope" in done.stdout
    assert len(list((here / "studies" / "pool").glob("*/result.json"))) == 6

    again = call("ablate", "mine.json", "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["contrasts"][0]["variant"] == "position=rope"
    assert "6 of them known already" in again.stderr

    plan = json.loads(call("ablate", "mine.json", "--plan", "--json").stdout)
    assert [variant["done"] for variant in plan["variants"]] == [3, 3]
    assert plan["estimate"] is None
    assert plan["spread_from"] == "the spread between seeds found so far"
    status = call("ablate", "mine.json", "--status")
    assert [line.split()[1:] for line in status.stdout.splitlines()[-2:]] == [["3", "0", "0", "0"]] * 2

    (here / "studies" / "mine" / "report.html").unlink()
    assert call("report", "studies/mine").exit_code == 0
    assert (here / "studies" / "mine" / "report.html").is_file()


def test_the_command_shows_what_is_wrong_and_exits_with_2(study) -> None:
    study(factors={"heads": {"at": "model.blocks.*.mixer.heads", "values": [3]}})
    for arguments in (("ablate", "mine.json"), ("ablate", "mine.json", "--plan"), ("check", "mine.json")):
        result = call(*arguments)
        assert result.exit_code == 2
        assert "heads 3 does not divide width 16" in result.stderr
        assert "note: in variant heads=3 (factors.heads.values.0)" in result.stderr


def test_options_that_mean_nothing_together_are_refused(study) -> None:
    study()
    for options in (("--plan", "--status"), ("--plan", "--only", "base"), ("--status", "--retry-failed")):
        result = call("ablate", "mine.json", *options)
        assert result.exit_code == 2
        assert "--status" in result.stderr


def test_how_far_another_study_is_is_not_told_as_if_it_were_this_one(study, engine, pretending, here: Path) -> None:
    run(study(), pretending)
    study(name="other")
    result = call("ablate", "mine.json", "--out", "studies/mine", "--status")
    assert result.exit_code == 2
    assert "holds the study 'mine', and this is 'other'" in result.stderr


def test_the_command_that_is_offered_goes_on_with_the_same_study(study) -> None:
    study(factors=TWO, run={"use": "local", "slots": 1, "timeout": 0.01, "retries": 0})
    result = call("ablate", "mine.json", "--out", "el se/mine", "--seeds", "1")
    assert result.exit_code == 1
    assert "partwise ablate mine.json --out 'el se/mine' --seeds 1 --retry-failed" in result.stdout


def test_damaged_results_say_how_to_go_on(study, here: Path) -> None:
    study()
    place = here / "studies" / "mine"
    place.mkdir(parents=True)
    (place / "results.json").write_text('{"partwise_results": 1}')
    result = call("ablate", "mine.json")
    assert result.exit_code == 1
    assert "or is damaged: study: Field required; delete it: it is written anew from the runs" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_check_takes_studies_and_recipes_alike(study) -> None:
    study()
    result = call("check", "mine.json", "base.json")
    assert (result.exit_code, result.stdout) == (0, "mine.json: ok\nbase.json: ok\n")
    assert "--set changes recipes" in call("check", "mine.json", "--set", "seeds=3").stderr


def test_studies_are_listed_and_have_a_schema(here: Path) -> None:
    assert "\nstudies\n" in call("recipes").stdout
    listed = json.loads(call("recipes", "--studies", "--json").stdout)
    assert "studies/positions" in {one["name"] for one in listed}
    assert json.loads(call("schema", "--study").stdout)["title"] == "partwise study"


def test_a_report_of_nothing_is_an_error(here: Path) -> None:
    result = call("report", "nowhere")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr


def test_a_run_that_another_study_measured_otherwise_is_measured_anew_and_not_trained_again(study, here: Path) -> None:
    study(factors=TWO, seeds=[0], run={"use": "local", "slots": 1}, metric={"name": "loss"})
    call("ablate", "mine.json")
    study(name="other", factors=TWO, seeds=[0], run={"use": "local", "slots": 1}, metric={"name": "loss", "context": 8})
    call("ablate", "mine.json")
    first, other = (Results.load(here / "studies" / name / "results.json") for name in ("mine", "other"))
    for one, two in zip(first.outcomes, other.outcomes, strict=True):
        assert one.identity == two.identity
        assert one.metric is not None
        assert one.metric != two.metric
        assert (here / "studies" / "pool" / one.identity / "output.log").read_text().count("this run is finished") == 1
