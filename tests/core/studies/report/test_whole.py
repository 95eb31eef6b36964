"""The report of a study with sizes, texts or several metrics: what it says, in every format."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from partwise.studies.analysis import Analysis, analyse
from partwise.studies.report import render, render_whole, write_report
from partwise.studies.report.markdown import escaped
from partwise.studies.report.report import Report
from partwise.studies.report.told import Told
from partwise.studies.report.whole import WholeReport
from partwise.studies.results import Results
from partwise.studies.stamp import mark_outdated, stamp_of

from .. import fake_settings
from .pages import Element, parsed

SMALL = [name for name in fake_settings.STUDIES if name != "thirty"]
STUDIES = pytest.mark.parametrize("study", SMALL)
WHOLE = pytest.mark.parametrize("study", [name for name in SMALL if name != "several_metrics"])


@cache
def analysed(study: str) -> tuple[Results, Analysis]:
    results = fake_settings.STUDIES[study]()
    return results, analyse(results)


@cache
def files(study: str) -> dict[str, str]:
    results, analysis = analysed(study)
    if results.sizes or results.texts:
        return render_whole(WholeReport(results, analysis))
    return render(Report(results, analysis))


def page(study: str) -> Element:
    return parsed(files(study)["report.html"])


@STUDIES
def test_the_page_is_whole_and_has_no_identifier_twice(study: str) -> None:
    root = page(study)
    identifiers = [one["id"] for one in root.all() if "id" in one.attributes]
    assert len(identifiers) == len(set(identifiers))


@STUDIES
def test_verdicts_and_limits_come_first(study: str) -> None:
    sections = [one["id"] for one in page(study).all("section")]
    assert sections[:2] == (["limits", "compute"] if study == "two_sizes" else ["verdicts", "limits"])
    assert sections[-1] == "provenance"


@STUDIES
def test_every_format_has_the_analysis_own_sentences(study: str) -> None:
    _, analysis = analysed(study)
    said, text = " ".join(page(study).text.split()), files(study)["report.md"]
    for verdict in (*analysis.verdicts, *(one for found in analysis.secondary for one in found.verdicts)):
        for sentence in (verdict.headline, *verdict.clauses):
            assert sentence in said
            assert escaped(sentence) in text


@WHOLE
def test_links_lead_to_the_reports_of_the_settings_and_nowhere_else(study: str, tmp_path: Path) -> None:
    results, analysis = analysed(study)
    paths = write_report(results, tmp_path, analysis)
    assert paths[0] == tmp_path / "report.html"
    links = [one["href"] for one in parsed(paths[0].read_text(encoding="utf-8")).all("a")]
    assert len(links) == len(set(links)) == len(results.settings)
    for link, (size, text) in zip(links, results.settings, strict=True):
        own = parsed((tmp_path / link).read_text(encoding="utf-8"))
        assert all(part is None or part in own.all("h1")[0].text for part in (size, text))
    for link in re.findall(r"\]\(([^)]*)\)", (tmp_path / "report.md").read_text(encoding="utf-8")):
        assert (tmp_path / link).is_file()


@WHOLE
def test_a_settings_own_report_has_the_verdicts_of_the_whole_study(study: str) -> None:
    """And says how many tests share the error rate: those of all settings."""
    results, analysis = analysed(study)
    for one in WholeReport(results, analysis).settings:
        shown = {row.variant.name: row.verdict for row in one.report.rows if row.contrast}
        base = one.report.results.variants[0]
        wanted = {c.variant: c.verdict for c in analysis.contrasts if (c.size, c.text) == (base.size, base.text)}
        assert shown == wanted
        assert f"Holm-adjusted over {len(analysis.contrasts)} contrasts" in " ".join(one.report.footnotes)


def test_the_ladder_has_the_analysis_own_figures() -> None:
    _, analysis = analysed("sizes")
    rows = {row.all("th")[0].text: row.all("td") for row in page("sizes").with_id("main").all("tbody")[0].all("tr")}
    by_last = sorted(analysis.ladder, key=lambda found: found.contrasts[-1].difference or 0.0)
    assert list(rows) == [found.variant for found in by_last]
    for found in analysis.ladder:
        cells = rows[found.variant]
        word = f"{found.direction}, {found.verdict}" if found.verdict in ("holds", "grows", "fades") else found.verdict
        assert cells[0].text.endswith(word)
        assert [float(cell["data-sort"]) for cell in cells[1:5]] == [c.difference for c in found.contrasts]
        assert [cell.of_class("unseen")[0].text for cell in cells[1:5]] == [c.verdict for c in found.contrasts]
        assert found.slope is not None
        assert float(cells[5]["data-sort"]) == found.slope.estimate
        assert found.speed_up is not None
        assert cells[6].text.startswith(f"{found.speed_up.factor:#.3g}×")


@WHOLE
def test_each_figure_has_a_name_and_says_in_words_what_it_shows(study: str) -> None:
    drawings = page(study).all("svg")
    assert drawings
    for one in drawings:
        assert one["aria-label"]
        assert one.all("desc")[0].text
    panels = [one for panel in page(study).of_class("panel") for one in panel.all("svg")]
    assert len({one["aria-label"] for one in panels}) == len(panels)


def test_a_panel_tells_every_size_its_band_and_its_slope() -> None:
    _, analysis = analysed("sizes")
    panels = {one.all("b")[0].text: one for one in page("sizes").of_class("panel")}
    for found in analysis.ladder:
        panel = panels[found.variant]
        tips = [row.all("title")[0].text for row in panel.of_class("row")]
        assert [tip.split(": ")[0] for tip in tips] == [f"{found.variant} at {c.size}" for c in found.contrasts]
        assert len(panel.of_class("band")) == 1
        (line,) = panel.of_class("s-base")
        assert ("stroke-dasharray" in line.attributes) == (not found.steep), "dashed where it may be chance"
        (x, y), (last, end) = (map(float, point.split(",")) for point in line["points"].split(" "))
        assert last > x
        assert found.slope is not None
        assert (end < y) == (found.slope.estimate > 0), "upwards is more"


def test_nothing_is_drawn_outside_the_sizes_but_a_dotted_line_that_says_what_it_is() -> None:
    curves, _ = page("sizes").with_id("compute").all("svg")
    lines = [one for one in curves.of_class("line") if one.tag == "polyline"]
    (beyond,) = [one for one in curves.of_class("series") if "nothing was measured here" in one.all("title")[0].text]
    last = max(float(circle["cx"]) for circle in curves.all("circle") if "s-base" in circle["class"])
    (dotted,) = beyond.all("polyline")
    assert dotted["stroke-dasharray"] == "1 4"
    for line in lines:
        if line["points"] != dotted["points"]:
            assert max(float(point.split(",")[0]) for point in line["points"].split(" ")) <= max(last, 60)
    assert "Nothing was measured there, and nothing is claimed." in page("sizes").with_id("compute").text


def test_the_curve_passes_through_the_measured_sizes() -> None:
    """Between them it is what speed-ups are read off; each point lies on it."""
    curves, _ = page("sizes").with_id("compute").all("svg")
    base = next(one for one in curves.of_class("series") if one.all("title")[0].text == "base")
    line = [tuple(map(float, point.split(","))) for point in base.all("polyline")[0]["points"].split(" ")]
    points = [(float(one["cx"]), float(one["cy"])) for one in curves.all("circle") if one["class"].endswith("s-base")]
    on_it = [point for point in points if min(abs(point[0] - x) + abs(point[1] - y) for x, y in line) < 0.05]
    assert len(on_it) >= 4


def test_metrics_stand_side_by_side_and_what_is_only_described_says_so() -> None:
    results, analysis = analysed("several_metrics")
    rows = page("several_metrics").with_id("by-metric").all("tbody")[0].all("tr")
    found = {row.all("th")[0].text: [cell.of_class("unseen")[0].text for cell in row.all("td")] for row in rows}
    for c in analysis.contrasts:
        secondary = [next(o.verdict for o in one.contrasts if o.variant == c.variant) for one in analysis.secondary]
        assert found[c.variant] == [c.verdict, *secondary]
    assert list(results.secondary) == [one.text for one in page("several_metrics").with_id("by-metric").all("th")[2:4]]
    described = [one for one in Told(results, analysis).secondary if one.described]
    assert all(one.described in page("several_metrics").text for one in described)
    assert described


def test_texts_that_are_enough_stand_beside_what_is_said_over_all() -> None:
    heads = [one.text for one in page("texts").with_id("by-text").all("thead")[0].all("th")]
    assert heads == ["variant", "over all 3", "wiki", "code", "news"]
    _, analysis = analysed("texts")
    rows = {row.all("th")[0].text: row.all("td") for row in page("texts").with_id("by-text").all("tbody")[0].all("tr")}
    for c in analysis.over_texts:
        assert rows[c.variant][0].of_class("unseen")[0].text == c.verdict
        assert float(rows[c.variant][0]["data-sort"]) == c.difference


def test_two_texts_are_each_told_alone() -> None:
    names = [row.all("th")[0].text for row in page("two_texts").with_id("main").all("tbody")[0].all("tr")]
    assert len(names) == 10
    assert {name.split(" on ")[1] for name in names} == {"wiki", "code"}


def test_runs_that_did_not_finish_are_told_with_their_setting() -> None:
    assert "position=null at 0.3M on code, seed 2: failed: out of memory" in page("sizes_and_texts").text


def test_a_ladder_that_is_not_finished_says_so_and_claims_nothing() -> None:
    text = page("two_sizes").text
    assert "What follows is preliminary." in text
    assert "Not finished, and so without a verdict" in text
    assert not page("two_sizes").of_class("panel")


def test_many_variants_are_counted_and_told_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    from partwise.studies.report import prose

    monkeypatch.setattr(prose, "MOST_NAMED", 3)
    results, analysis = analysed("sizes")
    assert WholeReport(results, analysis).summary == (
        "Of 5 comparisons over the sizes, 1 is better, which holds at every size, 1 grows, 1 fades, 1 reverses and "
        "1 is inconclusive."
    )


def test_every_report_of_a_study_is_marked_when_its_results_change(tmp_path: Path) -> None:
    results, analysis = analysed("texts")
    write_report(results, tmp_path, analysis)
    mark_outdated(tmp_path, results)
    places = [one.parent for one in tmp_path.rglob("report.html")]
    assert len(places) == 4
    assert not any(stamp_of(place).outdated for place in places)  # type: ignore[union-attr]
    mark_outdated(tmp_path, fake_settings.broken(results, ("base", None, "wiki", 1)))
    assert {place.name for place in places if stamp_of(place).outdated} == {tmp_path.name, "on-wiki"}  # type: ignore[union-attr]


@pytest.mark.needs("latex")
@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
@STUDIES
def test_latex_fits_a_page_and_a_column(study: str, columns: str, tmp_path: Path) -> None:
    (tmp_path / "table.tex").write_text(files(study)["table.tex"], encoding="utf-8")
    head = rf"\documentclass[{columns}]{{article}}\usepackage{{booktabs}}"
    paper = rf"{head}\begin{{document}}\input{{table.tex}}\end{{document}}"
    (tmp_path / "paper.tex").write_text(paper, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout, "it runs off its column"
    assert "Float too large" not in done.stdout
