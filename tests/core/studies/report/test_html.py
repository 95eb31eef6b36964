"""The page: what stands in it, that it is whole, and that nothing in it comes from elsewhere."""

from __future__ import annotations

import re
from statistics import mean, stdev

import pytest
from scipy import stats

from partwise.studies.report.html import html
from partwise.studies.report.report import Report
from partwise.studies.results import Results

from .. import fake_results
from ..fake_analysis import analysis_of
from .pages import Element, parsed

STUDIES = pytest.mark.parametrize("study", fake_results.STUDIES)


def page(results: Results) -> Element:
    return parsed(html(Report(results, analysis_of(results))))


def sections(root: Element) -> list[str]:
    return [section["id"] for section in root.all("section")]


def cells(root: Element) -> dict[str, list[str]]:
    """Rows of the main table: the variant's name, and the texts beside it."""
    (body,) = root.with_id("main").all("tbody")
    names = ["".join(child for child in row.all("th")[0].children if isinstance(child, str)) for row in body.all("tr")]
    found = [[cell.text for cell in row.all("td")] for row in body.all("tr")]
    return dict(zip(map(str.strip, names), found, strict=True))


@STUDIES
def test_every_page_is_well_formed_and_has_no_identifier_twice(study: str) -> None:
    root = page(fake_results.STUDIES[study]())
    identifiers = [element["id"] for element in root.all() if "id" in element.attributes]
    assert len(identifiers) == len(set(identifiers))
    assert [element.tag for element in root.children if isinstance(element, Element)] == ["html"]


@STUDIES
def test_nothing_refers_to_anything_outside_the_page(study: str) -> None:
    root = page(fake_results.STUDIES[study]())
    for element in root.all():
        for name, value in element.attributes.items():
            if name in {"src", "href", "xlink:href", "srcset", "action", "data", "poster", "background", "formaction"}:
                assert value == "data:,", (element.tag, name, value)
            assert not name.startswith("on"), (element.tag, name)
            assert not re.search(r"url\((?!#)", value or ""), (element.tag, name, value)
    (style,) = root.all("style")
    assert "url(" not in style.text
    assert "@import" not in style.text
    assert {element.tag for element in root.all()}.isdisjoint({"iframe", "object", "embed", "img", "base", "form"})


@STUDIES
def test_the_same_results_give_the_same_page(study: str) -> None:
    results = fake_results.STUDIES[study]()
    again = Results.model_validate_json(results.model_dump_json())
    assert html(Report(results, analysis_of(results))) == html(Report(again, analysis_of(again)))


def test_the_sections_come_in_the_order_in_which_they_are_wanted() -> None:
    everything = ["verdicts", "forest", "table", "seeds", "curves", "tuning", "interactions", "pooled", "failures",
                  "provenance", "limits"]  # fmt: skip
    assert sections(page(fake_results.positions())) == [name for name in everything if name != "interactions"]
    assert sections(page(fake_results.grid())) == [name for name in everything if name not in ("tuning", "failures")]


def test_sections_without_content_are_left_out() -> None:
    assert sections(page(fake_results.nothing_yet())) == ["table", "limits"]
    assert sections(page(fake_results.only_base())) == ["table", "seeds", "curves"]
    assert sections(page(fake_results.all_failed())) == ["table", "failures", "provenance", "limits"]
    assert "curves" not in sections(page(fake_results.accuracy())), "a curve of one point is none"


def test_the_table_holds_what_the_runs_give_when_computed_by_hand() -> None:
    results = fake_results.positions()
    table = cells(page(results))
    rope = [o.metric for o in results.outcomes if o.variant == "position=rope" and o.metric is not None]
    base = [o.metric for o in results.outcomes if o.variant == "base" and o.metric is not None]
    differences = [a - b for a, b in zip(rope, base, strict=True)]
    half = stats.t.ppf(0.975, 4) * stdev(differences) / 5**0.5
    row = dict(zip(["seeds", "mean", "sd", "difference", "p", "verdict", "parameters", "flops", "tokens", "time"],
                   table["position=rope"], strict=True))  # fmt: skip
    assert row["seeds"] == "5"
    assert (float(row["mean"]), float(row["sd"])) == (round(mean(rope), 3), round(stdev(rope), 3))
    shown = [float(number.replace("−", "-")) for number in re.findall(r"[+−][\d.]+", row["difference"])]
    assert shown == [
        round(number, 4) for number in (mean(differences), mean(differences) - half, mean(differences) + half)
    ]
    assert (row["p"], row["verdict"]) == ("<0.001", "▲ better")
    assert row["parameters"] == "1.18 M (−2.0 %)"
    assert row["tokens"] == "1.23 M"
    seconds = mean(o.seconds for o in results.of("position=rope") if o.seconds is not None)
    assert float(row["time"].removesuffix(" s")) == round(seconds, 1)


def test_every_figure_in_the_table_sorts_by_its_full_value() -> None:
    results = fake_results.positions()
    (body,) = page(results).with_id("main").all("tbody")
    for row, variant in zip(body.all("tr"), results.variants, strict=True):
        shown = [cell["data-sort"] for cell in row.all("td")]
        values = [*results.values(variant.name).values()]
        assert float(shown[1]) == pytest.approx(mean(values), rel=1e-15)
        assert float(shown[2]) == pytest.approx(stdev(values), rel=1e-12)
        assert [float(shown[column]) for column in (6, 8)] == [variant.parameters, variant.tokens]


def test_a_mean_over_survivors_is_marked_and_the_mark_explained() -> None:
    root = page(fake_results.positions())
    table = cells(root)
    assert table["position=none"][:2] == ["4 of 5 1 diverged", "2.196†"]
    assert table["position=alibi"][:2] == ["4 of 5 1 failed", "2.090†"]
    assert "†" not in table["position=rope"][1]
    assert any(note.text.startswith("† Mean over the runs that finished") for note in root.of_class("note"))
    assert "†" not in page(fake_results.grid()).text


def test_runs_that_did_not_finish_are_shown_with_the_end_of_what_they_wrote() -> None:
    failures = page(fake_results.positions()).with_id("failures")
    (output,) = failures.all("pre")
    assert output.text.endswith("torch.OutOfMemoryError: tried to allocate 1.50 GiB")
    assert "batch.size < limit & loss is not None else <none>" in output.text
    assert "\x1b" not in output.text
    assert "position=alibi, seed 2: failed after 2 attempts: out of memory" in failures.text
    assert "position=none, seed 4: diverged: diverged at step 212" in failures.text


def test_what_is_not_done_is_said_at_the_top() -> None:
    assert page(fake_results.nothing_yet()).of_class("progress")[0].text == "0 of 18 runs are done, 18 waiting."
    results = fake_results.one_factor(
        fake_results.POSITIONS, fake_results.waiting(fake_results.runs(fake_results.POSITIONS, [1, 2, 3]), "rope", 3)
    )
    (said,) = page(results).of_class("progress")
    assert said.text == "17 of 18 runs are done, 1 waiting. What follows is preliminary."
    assert not page(fake_results.grid()).of_class("progress")


def test_names_that_mean_something_in_html_are_only_text() -> None:
    root = page(fake_results.hostile())
    assert len(root.all("script")) == 1
    assert not root.all("img")
    assert not root.all("b")[1:], "only the title of the failed run is bold"
    assert root.all("h1")[0].text == "<b>&study|_"
    names = list(cells(root))
    assert "position=<script>alert(1)</script>" in names
    assert "position=\ufffdesrever\ufffd \"quoted\" 'too' &amp; ]]>" in names
    assert "</pre><script>alert(2)</script>" in root.with_id("failures").text
    assert "</dd><script>alert(3)</script>" in root.with_id("provenance").text


def test_the_policy_allows_the_pages_own_script_and_no_other() -> None:
    import base64
    import hashlib

    text = html(Report(fake_results.grid(), analysis_of(fake_results.grid())))
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    (policy,) = [m["content"] for m in parsed(text).all("meta") if "http-equiv" in m.attributes]
    assert "default-src 'none'" in policy
    assert re.search(r"script-src ([^;]*)", policy)[1] == f"'sha256-{digest}'"  # type: ignore[index]


def test_a_sentence_of_many_levels_is_stated_one_level_a_line() -> None:
    (verdict,) = page(fake_results.positions()).with_id("verdicts").all("div")
    headline, *lines = [part.text for part in verdict.all("dd")]
    assert headline.startswith("rope and alibi are better; ")
    assert [line.split(" is ")[0] for line in lines] == ["sinusoidal", "rope", "alibi", "t5_bias", "none"]
    assert lines[1] == "rope is better; as far as 5 seeds tell."


def test_provenance_is_stated_in_full() -> None:
    facts = page(fake_results.positions()).with_id("provenance")
    told = {div.all("dt")[0].text: div.all("dd")[0].text for div in facts.all("div")}
    assert told["git.revision"] == fake_results.PROVENANCE["git"]["revision"]
    assert told["git.diff"] == " ".join(fake_results.PROVENANCE["git"]["diff"].split())
    assert told["command"] == fake_results.PROVENANCE["command"]
    assert told["data"] == fake_results.PROVENANCE["data"]
    assert told["environment.torch"] == "2.13.0"
