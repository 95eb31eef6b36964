"""The figures of a study as tables: whole, tidy, described, and told apart when results change."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from statistics import mean

import jsonschema
import numpy as np
import pytest

from partwise import InputError, StudyResult, WorkError
from partwise.studies.analysis import analyse
from partwise.studies.report import write_report
from partwise.studies.results import Figure, Results
from partwise.studies.stamp import TABLES, clear_outdated, mark_outdated
from partwise.studies.tables import all_tables, table, write_tables
from partwise.studies.tables.schema import results_schema
from results_page import PAGE, written

from .. import fake_ladder, fake_results
from ..fake_analysis import analysis_of

STUDIES = pytest.mark.parametrize("study", fake_results.STUDIES)
Rows = list[dict[str, str]]


def of_file(directory: Path, name: str) -> Rows:
    with (directory / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rows_of(name: str, results: Results) -> list[dict[str, object]]:
    head, rows = table(name, results, analyse(results))
    return [dict(zip(head, row, strict=True)) for row in rows]


def ladder() -> Results:
    """Four sizes, two texts, and a secondary metric that says the same."""
    figures = fake_ladder.noisy({"learned": [2.4, 2.2, 2.1, 2.0], "rope": [2.3, 2.1, 2.0, 1.9]}, 5, texts=2)
    return fake_ladder.study_of(figures, texts=["news", "code"], secondary={"test": (fake_ladder.TEST, figures)})


@pytest.mark.parametrize("study", ["positions", "hostile", "accuracy", "nothing_yet"])
def test_runs_come_back_digit_by_digit(study: str, tmp_path: Path) -> None:
    results = fake_results.STUDIES[study]()
    write_report(results, tmp_path)
    found = of_file(tmp_path, "runs")
    assert len(found) == len(results.outcomes)
    levels = {variant.name: variant.levels for variant in results.variants}
    for row, outcome in zip(found, results.outcomes, strict=True):
        assert (row["variant"], row["study"], row["metric"]) == (outcome.variant, results.study, results.metric.label)
        assert (int(row["seed"]), row["state"], int(row["attempts"])) == (outcome.seed, outcome.state, outcome.attempts)
        assert (float(row["value"]) if row["value"] else None) == outcome.metric
        assert (float(row["seconds"]) if row["seconds"] else None) == outcome.seconds
        assert (row["error"] or None) == outcome.error
        assert {key[7:]: value for key, value in row.items() if key.startswith("factor.")} == (
            levels[outcome.variant] if results.factors else {}
        )


@STUDIES
def test_every_table_has_only_the_columns_that_it_describes(study: str) -> None:
    results = fake_results.STUDIES[study]()
    analysis = analysis_of(results)
    for name, one in all_tables().items():
        head, rows = table(name, results, analysis)
        assert len(set(head)) == len(head)
        made = {key for row in one.rows(results, analysis) for key in row}
        unknown = made - {*head} - {"factor.position" if study == "only_base" else ""}
        assert not unknown, f"{name} makes cells of no column: {unknown}"
        assert {row[-1] for row in rows} <= {results.digest}


@STUDIES
def test_the_variants_have_their_means(study: str) -> None:
    results = fake_results.STUDIES[study]()
    head, rows = table("variants", results, analysis_of(results))
    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["variant"] for row in found] == [variant.name for variant in results.variants]
    assert [row["done"] for row in found] == [len(results.values(variant.name)) for variant in results.variants]
    assert [row["baseline"] for row in found] == ["yes", *["no"] * (len(found) - 1)]
    for row in found:
        values = [*results.values(str(row["variant"])).values()]
        assert row["mean"] == (pytest.approx(mean(values)) if values else None)


def test_the_contrasts_are_those_of_the_analysis() -> None:
    results = fake_results.positions()
    found = rows_of("contrasts", results)
    analysis = analyse(results)
    assert [row["variant"] for row in found] == [one.variant for one in analysis.contrasts]
    for row, contrast in zip(found, analysis.contrasts, strict=True):
        for name in ("difference", "low", "high", "p", "p_adjusted", "p_equivalent", "correlation", "pairs", "verdict"):
            assert row[name] == getattr(contrast, name), name


def test_a_study_of_sizes_texts_and_metrics_has_one_row_for_each() -> None:
    results = ladder()
    assert len(rows_of("runs", results)) == 4 * 2 * 2 * 5
    assert {row["secondary.test"] for row in rows_of("runs", results)} == {run.metric for run in results.outcomes}
    contrasts = rows_of("contrasts", results)
    assert len(contrasts) == 4 * 2 * 2
    assert {(row["size"], row["text"], row["secondary"]) for row in contrasts} == {
        (size, text, metric) for size in results.sizes for text in results.texts for metric in (None, "test")
    }
    variants = rows_of("variants", results)
    (one,) = [r for r in variants if (r["variant"], r["size"], r["text"], r["secondary"]) == (
        "base", "1M", "code", "test")]  # fmt: skip
    assert one["mean"] == pytest.approx(mean(results.at("1M", "code", "test").values("base").values()))


def test_the_ladder_has_slope_speed_up_and_verdict_at_each_size() -> None:
    results = fake_ladder.planted()
    found = rows_of("ladder", results)
    assert len(found) == 5 * 4
    rope = [row for row in found if row["level"] == "rope"]
    assert [row["size"] for row in rope] == results.sizes
    assert {row["verdict"] for row in rope} == {"holds"}
    by_hand = [np.mean([run.metric for run in results.outcomes if (run.variant, run.size) == ("position=rope", size)])
               - np.mean([run.metric for run in results.outcomes if (run.variant, run.size) == ("base", size)])
               for size in results.sizes]  # fmt: skip
    assert [row["difference"] for row in rope] == pytest.approx(by_hand)
    slope = np.polyfit(np.log10([float(str(row["compute"])) for row in rope]), by_hand, 1)[0]
    assert rope[0]["slope"] == pytest.approx(slope)
    assert rope[0]["speed_up"] is None
    assert all(float(str(row["speed_up"])) > 1 for row in rope[1:])


def test_trials_say_which_values_were_chosen(tmp_path: Path) -> None:
    results = fake_results.positions()
    found = rows_of("trials", results)
    assert len(found) == len(results.trials)
    chosen = {row["variant"]: row[f"knob.{fake_results.KNOB}"] for row in found if row["chosen"] == "yes"}
    assert chosen == {one.name: one.tuned[fake_results.KNOB] for one in results.variants}


def test_curves_have_every_evaluation() -> None:
    results = fake_results.accuracy()
    found = [(row["variant"], row["seed"], row["step"], row["value"]) for row in rows_of("curves", results)]
    assert found == [(run.variant, run.seed, *point) for run in results.outcomes for point in run.curve]


def test_a_table_without_rows_is_no_file_and_leaves_no_old_one(tmp_path: Path) -> None:
    write_report(fake_results.grid(), tmp_path)
    assert (tmp_path / "tables" / "effects.csv").is_file()
    write_report(fake_results.positions(), tmp_path)
    assert {path.stem for path in (tmp_path / "tables").iterdir()} == {*TABLES} - {"effects", "ladder"}


def test_tables_of_other_results_are_set_aside_until_they_are_written_again(tmp_path: Path) -> None:
    results = ladder()
    analysis = analyse(results)
    write_tables(results, analysis, tmp_path)
    first = results.outcomes[0]
    changed = results.model_copy(update={"outcomes": [first.model_copy(update={"metric": 9.0}), *results.outcomes[1:]]})
    mark_outdated(tmp_path, results)
    assert (tmp_path / "tables" / "runs.csv").is_file(), "they tell these results"
    mark_outdated(tmp_path, changed)
    assert all(path.name.endswith(".outdated.csv") for path in (tmp_path / "tables").iterdir())
    clear_outdated(tmp_path)
    write_tables(changed, analysis, tmp_path)
    assert not any("outdated" in path.name for path in (tmp_path / "tables").iterdir())
    assert float(of_file(tmp_path, "runs")[0]["value"]) == 9.0


def test_the_tables_of_an_earlier_version_do_not_stay_beside_the_new_ones(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("study,variant,results\na,base,0123456789\n")
    (tmp_path / "summary.csv").write_text("mine,own\n1,2\n")
    write_report(fake_results.grid(), tmp_path)
    assert not (tmp_path / "results.csv").exists()
    assert (tmp_path / "summary.csv").exists(), "which was never ours"


def test_a_frame_is_the_table_of_its_name(tmp_path: Path) -> None:
    study = StudyResult(ladder(), tmp_path / "report.html")
    assert study.frame()["value"].tolist() == [run.metric for run in study.results.outcomes]
    assert study.frame("contrasts").groupby("size")["difference"].mean().between(-0.13, -0.07).all()
    with pytest.raises(InputError, match="there is no table 'contrast', did you mean 'contrasts'"):
        study.frame("contrast")


def test_the_page_describes_every_column_and_field() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "python tools/results_page.py writes it"
    assert "| |" not in page, "a column or field without a word about it"


@STUDIES
def test_results_are_what_their_schema_says(study: str) -> None:
    schema = results_schema()
    facts = fake_results.STUDIES[study]().model_dump(mode="json")
    jsonschema.Draft202012Validator(schema).validate(facts)
    assert list(jsonschema.Draft202012Validator(schema).iter_errors({**facts, "outcome": []}))


def test_the_schema_takes_figures_of_several_metrics() -> None:
    results = ladder()
    assert isinstance(results.outcomes[0].secondary["test"], Figure)
    jsonschema.Draft202012Validator(results_schema()).validate(results.model_dump(mode="json"))


def test_results_of_a_later_version_are_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({**fake_results.grid().model_dump(mode="json"), "partwise_results": 2}))
    with pytest.raises(WorkError, match="holds results of version 2, and this partwise reads version 1; update"):
        Results.load(path)
