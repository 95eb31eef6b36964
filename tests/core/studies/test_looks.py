"""Verdicts that a reader has seen before: in this study, in another one on the same runs; and reports that are old."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from partwise.studies.analysis import analyse
from partwise.studies.definition.reading import load_study
from partwise.studies.directories import study_directories
from partwise.studies.report import write_report
from partwise.studies.results import Results
from partwise.studies.stamp import stamp_of
from partwise_cli.main import cli

from ...small_study import run_study

ROPE = {"position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"}}
PAGES = {"report.html", "report.md", "table.tex"}
FILES = PAGES | {"contrasts.csv", "runs.csv", "variants.csv"}


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="partwise", env={"COLUMNS": "300"})


def run(path: Path, pretending: Any, **more: Any) -> Results:
    """With its report, as the command does it."""
    results = run_study(path, pretending, **more)
    write_report(results, study_directories(load_study(path)).out)
    return results


def warnings(results: Results) -> list[str]:
    return [note.text for note in analyse(results).notes if note.kind in ("undeclared_look", "changed_question")]


# What another study has seen


def test_a_look_of_another_study_at_the_same_runs_is_reported(study, engine, pretending) -> None:
    run(study(name="pilot", factors=ROPE), pretending)
    results = run(study(seeds=5), pretending)
    (look,) = results.elsewhere
    assert (look.study, look.seeds, look.variants, look.changed) == ("pilot", 3, ["position=rope"], [])
    (said,) = warnings(results)
    assert "'pilot' gave verdicts on the same runs, with 3 of the seeds: position=rope" in said
    assert "higher than the 0.05" in said
    assert run(study(seeds=5), pretending).elsewhere == [look], "and it is not forgotten"


def test_a_study_that_came_later_was_no_look(study, engine, pretending) -> None:
    run(study(seeds=5), pretending)
    run(study(name="later", factors=ROPE), pretending)
    assert run(study(seeds=5), pretending).elsewhere == []


def test_the_same_runs_asked_otherwise_elsewhere_are_reported_with_what_was_asked(study, engine, pretending) -> None:
    run(study(name="pilot", factors=ROPE, alpha=0.1), pretending)
    (look,) = run(study(), pretending).elsewhere
    assert (look.seeds, look.changed) == (3, ["alpha: 0.1, then 0.05"])


def test_the_same_question_on_the_same_runs_says_what_is_not_corrected_for(study, engine, pretending) -> None:
    run(study(name="pilot", factors=ROPE), pretending)
    results = run(study(), pretending)
    assert warnings(results) == [], "nothing was seen before that a verdict now depends on"
    (said,) = [note.text for note in analyse(results).notes if note.kind == "look"]
    assert said.endswith("with the same seeds: position=rope. Each study corrects for its own comparisons alone.")


def test_a_baseline_and_a_variant_that_change_places_are_the_same_comparison(study, engine, pretending) -> None:
    run(study(name="pilot", factors=ROPE), pretending)
    turned = {"position": {"at": "model.position", "values": ["rope", "none"], "baseline": "rope"}}
    base = {"extends": "base.json", "model": {"position": {"use": "rope"}}}
    results = run(study(name="turned", base=base, factors=turned, seeds=4), pretending)
    assert [(look.study, look.seeds) for look in results.elsewhere] == [("pilot", 3)]


@pytest.mark.parametrize("stop", [7, 3])
def test_a_declared_look_elsewhere_counts_even_if_its_study_never_ended(study, engine, pretending, stop: int) -> None:
    looks = [{"seeds": 3, "alpha": 0.02}, {"seeds": 6, "alpha": 0.03}]
    engine.stop_after = stop
    engine.outcome = staticmethod(lambda job: {"state": "done", "metric": float(int(job.identity, 16) % 97)})
    with pytest.raises(KeyboardInterrupt):
        run(study(name="pilot", factors=ROPE, seeds=6, looks=looks), pretending)
    engine.stop_after = None
    found = [(look.study, look.seeds) for look in run(study(seeds=8), pretending).elsewhere]
    assert found == ([("pilot", 3)] if stop == 7 else [])


def test_another_study_on_other_runs_or_with_too_few_seeds_was_no_look(study, engine, pretending, here: Path) -> None:
    run(study(name="few", factors=ROPE, seeds=2), pretending)
    run(study(name="wide", factors={"width": {"at": "model.width", "values": [32]}}), pretending)
    (here / "studies" / "broken").mkdir()
    (here / "studies" / "broken" / "results.json").write_text("{")
    assert run(study(seeds=5), pretending).elsewhere == []


# What this study has seen


def test_looks_that_are_dropped_after_one_was_reached_are_reported(study, engine, pretending) -> None:
    looks = [{"seeds": 3, "alpha": 0.02}, {"seeds": 6, "alpha": 0.03}]
    first = run(study(factors=ROPE, seeds=6, looks=looks), pretending)
    assert sum(outcome.state == "waiting" for outcome in first.outcomes) == 6, "decided at the first look"
    results = run(study(factors=ROPE, seeds=6), pretending)
    assert results.seen == [3]
    assert results.revised == ["looks: 3 (0.02), 6 (0.03), then none"]


def test_a_verdict_on_one_variant_alone_is_a_look_once_it_is_reported(study, engine, pretending) -> None:
    run(study(), pretending, only="base")
    run(study(), pretending, only="position=rope")
    assert run(study(seeds=5), pretending).seen == [3]


def test_seeds_that_are_left_out_or_replaced_are_a_change_of_the_question(study, engine, pretending) -> None:
    run(study(seeds=[1, 2, 3, 4]), pretending)
    assert run(study(seeds=[1, 2, 3]), pretending).revised == ["seeds: 1, 2, 3, 4, then 1, 2, 3"]
    assert run(study(seeds=[7, 8, 9]), pretending).revised[1:] == ["seeds: 1, 2, 3, then 7, 8, 9"]


def test_a_base_that_is_edited_after_the_verdicts_is_a_change_of_the_question(study, engine, pretending) -> None:
    run(study(), pretending)
    results = run(study(base={"extends": "base.json", "trainer": {"steps": 9}}), pretending)
    assert results.revised == ["trainer.steps: 2, then 9"]
    assert "trainer.steps: 2, then 9" in warnings(results)[0]


def test_variants_that_are_added_after_the_verdicts_are_a_change_of_the_question(study, engine, pretending) -> None:
    run(study(factors=ROPE), pretending)
    assert run(study(), pretending).revised == ["added: position=alibi, norm=rms_norm"]


# Reports that are out of date


def kept(here: Path) -> dict[str, str]:
    place = here / "studies" / "mine"
    return {path.name: path.read_text() for path in place.rglob("*") if path.suffix in (".html", ".md", ".csv", ".tex")}


def test_a_report_says_which_results_it_tells(study, engine, pretending, here: Path) -> None:
    results = run(study(), pretending)
    files = kept(here)
    assert set(files) == FILES
    assert all(results.digest in text for text in files.values())
    assert "12 of 12 runs" in files["report.html"]
    assert "12 of 12 runs" in files["report.md"]
    stamp = stamp_of(here / "studies" / "mine")
    assert stamp is not None
    assert stamp.tells(results)


def test_the_report_of_an_edited_study_that_was_killed_is_marked(study, engine, pretending, here: Path) -> None:
    first = run(study(), pretending)
    engine.stop_after = 15
    with pytest.raises(KeyboardInterrupt):
        run(study(base={"extends": "base.json", "trainer": {"steps": 9}}), pretending)
    files = kept(here)
    assert set(files) == PAGES | {name.replace(".csv", ".outdated.csv") for name in FILES - PAGES}
    for name in ("report.html", "report.md", "table.tex"):
        assert f"out of date: it tells results {first.digest} (12 of 12 runs)" in files[name]
    assert r"\caption{\textbf{Out of date.}" in files["table.tex"]
    status = call("ablate", "mine.json", "--status")
    assert status.exit_code == 0, status.output
    assert f"out of date: studies/mine/report.html tells results {first.digest} (12 of 12 runs)" in status.stdout
    assert json.loads(call("ablate", "mine.json", "--status", "--json").stdout)["report"]["current"] is False

    again = call("report", "studies/mine")
    assert again.exit_code == 0
    assert f"was out of date: it told results {first.digest}" in again.stderr
    assert set(kept(here)) == FILES
    assert not any("out of date" in text for text in kept(here).values())
    assert "out of date" not in call("report", "studies/mine").stderr


def test_a_report_of_the_same_results_is_left_as_it_is(study, engine, pretending, here: Path) -> None:
    run(study(), pretending)
    before = kept(here)
    run_study(study(), pretending)
    assert kept(here) == before
    assert "out of date" not in call("ablate", "mine.json", "--status").stdout


def test_a_report_of_an_earlier_version_is_marked_too(study, engine, pretending, here: Path) -> None:
    run(study(), pretending)
    page = here / "studies" / "mine" / "report.html"
    page.write_text("<!doctype html>\n<body>\n<main>\n<h1>mine</h1></main></body>\n")
    run_study(study(seeds=4), pretending)
    assert "it tells results that it does not name" in page.read_text()


def test_a_study_that_is_edited_and_not_run_has_no_report_of_its_own_yet(study, engine, pretending) -> None:
    run(study(), pretending)
    study(alpha=0.1)
    assert "out of date" in call("ablate", "mine.json", "--status").stdout
