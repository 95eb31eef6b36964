"""The whole report, from results to files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from partwise import WorkError
from partwise.studies.report import write_report
from partwise.studies.results import Results

from .. import fake_results
from .pages import parsed

FILES = ["report.html", "report.md", "table.tex"]
STUDIES = pytest.mark.parametrize("study", fake_results.STUDIES)


@STUDIES
def test_a_report_is_three_files_and_tables(study: str, tmp_path: Path) -> None:
    paths = write_report(fake_results.STUDIES[study](), tmp_path / "deep" / "report")
    assert [path.name for path in paths[:3]] == FILES
    assert sorted(path.name for path in (tmp_path / "deep" / "report").iterdir()) == [*FILES, "tables"]
    assert sorted((tmp_path / "deep" / "report" / "tables").iterdir()) == sorted(paths[3:])
    for path in paths:
        assert path.read_text(encoding="utf-8").endswith("\n")
    assert parsed(paths[0].read_text(encoding="utf-8")).with_id("main")


def test_a_report_is_rebuilt_from_the_saved_results_alone(tmp_path: Path) -> None:
    results = fake_results.positions()
    first = [path.read_bytes() for path in write_report(results, tmp_path / "a")]
    results.save(tmp_path / "results.json")
    again = write_report(Results.load(tmp_path / "results.json"), tmp_path / "a")
    assert [path.read_bytes() for path in again] == first


def test_page_and_tables_say_the_same(tmp_path: Path) -> None:
    page, *_ = write_report(fake_results.grid(), tmp_path)
    rows = parsed(page.read_text(encoding="utf-8")).with_id("main").all("tbody")[0].all("tr")
    variants, contrasts = (
        {line["variant"]: line for line in csv.DictReader((tmp_path / "tables" / name).read_text().splitlines())}
        for name in ("variants.csv", "contrasts.csv")
    )
    assert len(rows) == len(variants)
    for row in rows:
        name = "".join(child for child in row.all("th")[0].children if isinstance(child, str)).strip()
        line, compared = variants[name], contrasts.get(name, dict.fromkeys(("difference", "p_adjusted", "verdict"), ""))
        sorts = [cell["data-sort"] for cell in row.all("td")]
        assert sorts[1:5] == [line["mean"], line["sd"], compared["difference"], compared["p_adjusted"]]
        assert row.all("td")[5].text.endswith(compared["verdict"] or "baseline")


def test_the_report_says_what_the_grids_interaction_is(tmp_path: Path) -> None:
    page = parsed(write_report(fake_results.grid(), tmp_path)[0].read_text(encoding="utf-8"))
    found = {row.all("th")[0].text: row for row in page.with_id("interactions").all("tr") if row.all("td")}
    values = {v.name: sum(fake_results.grid().values(v.name).values()) / 5 for v in fake_results.grid().variants}
    plain, norm, rope, both = values.values()
    (both_ways,) = [row for name, row in found.items() if " x " in name and "position=rope" in name]
    assert float(both_ways.all("td")[1]["data-sort"]) == pytest.approx(both - norm - rope + plain, abs=1e-9)


def test_a_directory_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkError, match="cannot write"):
        write_report(fake_results.only_base(), tmp_path / "file" / "report")
