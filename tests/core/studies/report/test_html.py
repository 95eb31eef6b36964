"""The page: what stands in it, that it is whole, and that nothing in it comes from elsewhere."""

from __future__ import annotations

import re
from statistics import mean, stdev
from typing import Any

import pytest
from scipy import stats

from partwise.studies.analysis import analyse
from partwise.studies.report import render
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
    everything = ["verdicts", "limits", "forest", "table", "seeds", "curves", "tuning", "interactions", "pooled",
                  "failures", "provenance"]  # fmt: skip
    assert sections(page(fake_results.positions())) == [name for name in everything if name != "interactions"]
    assert sections(page(fake_results.grid())) == [name for name in everything if name not in ("tuning", "failures")]


def test_sections_without_content_are_left_out() -> None:
    assert sections(page(fake_results.nothing_yet())) == ["limits", "table"]
    assert sections(page(fake_results.only_base())) == ["table", "seeds", "curves"]
    assert sections(page(fake_results.all_failed())) == ["limits", "table", "failures", "provenance"]
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
    facts = {variant.name: variant for variant in results.variants}
    for row in body.all("tr"):
        variant = facts[row.all("th")[0].text.split(" ")[0]]
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
    assert [line.split(" is ")[0] for line in lines] == ["rope", "alibi", "t5_bias", "sinusoidal", "none"]
    assert lines[0] == "rope is better; as far as 5 seeds tell."


def test_provenance_is_stated_in_full() -> None:
    facts = page(fake_results.positions()).with_id("provenance")
    told = {div.all("dt")[0].text: div.all("dd")[0].text for div in facts.all("div")}
    assert told["git.revision"] == fake_results.PROVENANCE["git"]["revision"]
    assert told["git.diff"] == " ".join(fake_results.PROVENANCE["git"]["diff"].split())
    assert told["command"] == fake_results.PROVENANCE["command"]
    assert told["data"] == fake_results.PROVENANCE["data"]
    assert told["environment.torch"] == "2.13.0"


def test_rows_stand_by_effect_the_baseline_first_and_what_has_none_last() -> None:
    results = fake_results.positions()
    means = {v.name: mean(results.values(v.name).values()) for v in results.variants}
    base = results.values("base")
    paired = {name: mean(value - base[seed] for seed, value in results.values(name).items()) for name in means}
    wanted = ["base", *sorted((name for name in means if name != "base"), key=lambda name: paired[name])]
    root = page(results)
    assert list(cells(root)) == wanted
    drawn = [row.all("title")[0].text.partition(":")[0] for row in root.with_id("forest").of_class("row")]
    assert drawn == 2 * wanted[1:], "once for a wide screen, once for a narrow one"
    assert [row.all("th")[0].text for row in root.with_id("pooled").all("tr")][1:] == wanted[1:]
    more = fake_results.accuracy()
    assert list(cells(page(more))) == ["base", "depth=three_layers", "depth=two_layers"], "more is better"
    lost = fake_results.failed(fake_results.runs(fake_results.POSITIONS, [1]), "rope", 1)
    assert list(cells(page(fake_results.one_factor(fake_results.POSITIONS, lost))))[-1] == "position=rope"


def test_thirty_levels_are_counted_in_the_headline_and_told_in_the_table() -> None:
    root = page(fake_results.many())
    (headline,) = [one.text for one in root.of_class("headline")]
    verdicts = [c.verdict for c in analysis_of(fake_results.many()).contrasts]
    assert headline.startswith(f"Of 29, {verdicts.count('better')} ") == ("better" in verdicts)
    assert all(f"{verdicts.count(word)} " in headline for word in set(verdicts))
    assert len(headline) < 120
    (folded,) = root.with_id("verdicts").all("details")
    assert len(folded.all("p")) == 29


def test_what_puts_the_verdicts_in_question_stands_above_them() -> None:
    results = fake_results.positions().model_copy(update={"revised": ["alpha: 0.1, then 0.05"], "seen": [3]})
    verdicts = parsed(html(Report(results, analyse(results)))).with_id("verdicts")
    said = [one.text for one in verdicts.all() if one.tag in ("p", "dl")]
    assert "Verdicts after 3 seeds were reported before" in said[0]
    assert "alpha: 0.1, then 0.05" in said[1]
    assert said[2].startswith("position rope is better")


def test_provenance_is_one_line_until_it_is_unfolded() -> None:
    facts = page(fake_results.positions()).with_id("provenance")
    assert facts.all("p")[0].text == (
        "partwise 0.1.0, python 3.11.2, torch 2.13.0, revision 4f0c2d9b7a with changes, "
        "2026-03-02T09:14:07Z to 2026-03-02T09:37:51Z."
    )
    (folded,) = facts.all("details")
    assert "open" not in folded.attributes
    assert folded.all("dl")


def test_effects_have_their_verdicts_in_words() -> None:
    results = fake_results.grid()
    root = parsed(html(Report(results, analyse(results)))).with_id("interactions")
    words = [row.all("td")[-1].text for row in root.all("tr") if row.all("td")][:3]
    assert words == ["depends on norm", "depends on position", "better together"]
    figure = next(svg for svg in root.all("svg") if svg["aria-label"] == "Effects")
    assert [row.of_class("verdict")[0].text for row in figure.of_class("row")] == words


@pytest.mark.parametrize("smallest", [0.01, None])
@pytest.mark.parametrize(
    ("differ", "said"),
    [
        (lambda value, seed: value, "there is no difference"),
        (lambda value, seed: value - 1e-9, "no more than rounding"),
        (lambda value, seed: value - 1e-8 * (1 + seed % 3), "no more than rounding"),
    ],
)
def test_no_difference_and_rounding_are_said_in_words(differ: Any, said: str, smallest: float | None) -> None:
    truths = {name: fake_results.POSITIONS[name] for name in ("learned", "rope")}
    runs = fake_results.runs(truths, range(1, 6))
    base = {run.seed: run.metric for run in runs if run.variant == "learned"}
    runs = [
        run if run.variant == "learned" else run.model_copy(update={"metric": differ(base[run.seed], run.seed)})
        for run in runs
    ]
    metric = fake_results.BITS.model_copy(update={"smallest_effect": smallest})
    results = fake_results.one_factor(truths, runs, metric=metric)
    analysis = analyse(results)
    (contrast,) = analysis.contrasts
    assert contrast.verdict == ("equivalent" if smallest else "inconclusive"), "never better"
    assert said in analysis.sentences["position"]
    for text in render(Report(results, analysis)).values():
        assert not re.search(r"0\.0000000|\[[+−]?0\.0+, [+−]?0\.0+\]", text.partition("<main>")[2] or text)
    assert "detect" not in page_text(results) or "nothing tells what could be detected" in page_text(results)


def page_text(results: Results) -> str:
    return " ".join(Report(results, analyse(results)).limits)


def test_a_difference_that_is_the_same_on_every_seed_has_no_interval_and_no_p() -> None:
    truths = {name: fake_results.POSITIONS[name] for name in ("learned", "rope")}
    runs = [
        run.model_copy(update={"metric": 2.25 if run.variant == "rope" else 2.125})
        for run in fake_results.runs(truths, range(1, 6))
    ]
    results = fake_results.one_factor(truths, runs)
    analysis = analyse(results)
    assert (
        "worse than learned: the difference is +0.1250 bits per byte on each of 5 seeds"
        in analysis.sentences["position"]
    )
    assert any("Every seed gave the same value: base, position=rope" in note.text for note in analysis.notes)
    row = cells(parsed(html(Report(results, analysis))))["position=rope"]
    assert row[1:5] == ["2.250", "0", "+0.1250 on every seed", "–"]
