"""`partwise ablate` and the other commands that take a study."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from partwise.studies.planning.costs import Ledger
from partwise.studies.results import Results
from partwise_cli.main import cli

from ....small_study import run_study


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="partwise", env={"COLUMNS": "200"})


TWO = {"position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"}}


def test_the_command_plans_runs_reports_tells_how_far_it_is_and_moves(
    study, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert plan["spread_from"] == "the spread of the paired differences found so far"
    status = call("ablate", "mine.json", "--status")
    assert [line.split()[1:] for line in status.stdout.splitlines()[-2:]] == [["3", "0", "0", "0"]] * 2

    (here / "studies" / "mine" / "report.html").unlink()
    assert call("report", "studies/mine").exit_code == 0
    assert (here / "studies" / "mine" / "report.html").is_file()

    moved = here / "moved"
    moved.mkdir()
    for name in ("studies", "mine.json", "base.json", "corpus.txt"):
        (here / name).rename(moved / name)
    monkeypatch.chdir(moved)
    count_nothing(monkeypatch)
    assert call("ablate", "mine.json", "--status").stdout == status.stdout, "what is done was counted when it was done"
    assert json.loads(call("ablate", "mine.json", "--status", "--json").stdout)["report"]["current"]
    assert call("report", "studies/mine").exit_code == 0
    runs = (moved / "studies/mine/tables/runs.csv").read_text()
    places = {row["directory"] for row in csv.DictReader(runs.splitlines())}
    assert {(moved / "studies/mine" / place).resolve() for place in places} == {
        path.parent for path in moved.glob("studies/pool/*/recipe.json")
    }
    for path in (path for path in moved.glob("studies/mine/**/*") if path.is_file()):
        assert str(here) not in path.read_text(), path.name


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


def test_the_status_of_another_study_is_not_shown_as_that_of_this_one(study, engine, pretending, here: Path) -> None:
    run_study(study(), pretending)
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
    assert "or is damaged: study: Field required; delete it: it is written again from the runs" in result.stderr
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
    assert json.loads(call("schema", "--results").stdout)["title"] == "partwise results"


def test_a_report_of_nothing_is_an_error(here: Path) -> None:
    result = call("report", "nowhere")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr


def test_a_run_that_another_study_measured_otherwise_is_measured_again_and_not_trained_again(study, here: Path) -> None:
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


def test_a_plan_names_a_variant_that_diverges_while_it_is_timed_and_goes_on(study, here: Path) -> None:
    rates = {"rate": {"at": "trainer.optimizer.lr", "values": [0.001, 1e30], "baseline": 0.001}}
    study(factors=rates, run={"use": "local", "slots": 1})
    planned = call("ablate", "mine.json", "--plan")
    assert planned.exit_code == 0, planned.output
    assert "note: rate=1e+30 could not be timed: training diverged at step" in planned.stderr
    assert "(for rate=1e+30 estimated from another variant)" in planned.stdout
    described = json.loads(call("ablate", "mine.json", "--plan", "--json").stdout)
    assert list(described["estimate"]["untimed"]) == ["rate=1e+30"]
    assert set(described["estimate"]["seconds_per_run"]) == {"base", "rate=1e+30"}
    study(factors={"rate": {**rates["rate"], "values": [1e29, 1e30], "baseline": 1e29}}, run={"use": "local"})
    recipe = json.loads((here / "base.json").read_text())
    recipe["trainer"]["optimizer"] = {"use": "adamw", "lr": 1e29}
    (here / "base.json").write_text(json.dumps(recipe))
    planned = call("ablate", "mine.json", "--plan")
    assert planned.exit_code == 0, planned.output
    assert "unknown: no variant could be timed" in planned.stdout
    assert planned.stderr.count("could not be timed") == 2


def count_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(*given: object) -> float:
        raise AssertionError("nothing of it is printed")

    for name in ("costs", "_flops", "_tokens"):
        monkeypatch.setattr(Ledger, name, counted)


def test_a_status_counts_no_costs(study, monkeypatch: pytest.MonkeyPatch) -> None:
    study(factors=TWO, run={"use": "local", "slots": 1})
    count_nothing(monkeypatch)
    answer = call("ablate", "mine.json", "--status")
    assert answer.exit_code == 0, answer.output
    assert [line.split()[1:] for line in answer.stdout.splitlines()[-2:]] == [["0", "0", "0", "3"]] * 2


LADDER = {
    "sizes": {"at": "model.width", "values": [8, 16], "tokens_per_parameter": 0.5, "rates": {"power": -0.3}},
    "texts": {"fox": {}, "late": {"data": {"valid": 0.2}}},
    "metric": {"name": "bits_per_byte", "spread": 0.1},
    "secondary": {"tested": {"name": "bits_per_byte", "split": "test"}},
}


def test_the_plan_of_a_ladder_shows_what_every_setting_costs(study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("partwise.studies.planning.timing.time_steps", lambda loaded, threads: None)
    study(factors=TWO, **LADDER)
    shown = call("ablate", "mine.json", "--plan").stdout
    assert [line for line in shown.splitlines() if line.startswith("at ")] == [
        "at width 8 on fox:", "at width 8 on late:", "at width 16 on fox:", "at width 16 on late:",
    ]  # fmt: skip
    assert "24 (2 variants, 3 seeds, 2 sizes, 2 texts), 0 done" in shown
    assert "tested: bits per byte (test), less is better" in shown
    assert "scaled   at width 8 on fox: trainer.steps " in shown
    assert "trainer.optimizer.lr 0.001" in shown
    planned = json.loads(call("ablate", "mine.json", "--plan", "--json").stdout)
    assert [(one["name"], one["size"], one["text"]) for one in planned["variants"]][:3] == [
        ("base", "width 8", "fox"),
        ("position=rope", "width 8", "fox"),
        ("base", "width 8", "late"),
    ]
    for one in planned["variants"]:
        assert one["updates"] == one["scaled"]["trainer.steps"]
        assert one["training_flops"] == 3 * one["flops_per_token"] * one["tokens"]
    assert len(planned["powers"]) == 4


def test_a_ladder_is_run_told_and_its_reports_are_marked_once_it_has_grown(
    study, here: Path, engine, pretending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partwise_cli.ablate.with_slots", lambda engine, slots: pretending)
    study(factors=TWO, **LADDER)
    done = call("ablate", "mine.json")
    assert done.exit_code == 0, done.output
    assert "position: on fox, rope " in done.stdout
    (page,) = [line.removeprefix("report: ") for line in done.stdout.splitlines() if line.startswith("report: ")]
    pages = sorted((here / page).parent.rglob("report.html"))
    assert len(pages) == 5, "one of all settings, and one of each"
    status = call("ablate", "mine.json", "--status").stdout
    assert status.count("position=rope") == 4
    assert not any("outdated" in page.read_text() for page in pages)
    run_study(study(factors=TWO, seeds=4, **LADDER), pretending)
    assert all('id="outdated"' in page.read_text() for page in pages)
