"""Markdown and LaTeX: each read back by something that is not ours."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from statistics import mean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from partwise.rendering.text import printable
from partwise.studies.report.latex import escaped as latex_escaped
from partwise.studies.report.latex import latex
from partwise.studies.report.markdown import escaped, markdown, paragraph
from partwise.studies.report.report import Report
from partwise.studies.results import Results

from .. import fake_results
from ..fake_analysis import analysis_of
from .pages import Element, parsed

STUDIES = pytest.mark.parametrize("study", fake_results.STUDIES)
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def report(results: Results) -> Report:
    return Report(results, analysis_of(results))


def read(text: str) -> Element:
    """As a reader of GitHub's Markdown sees it."""
    return parsed(READER.render(text))


def tables(root: Element) -> list[list[list[str]]]:
    return [
        [[cell.text for cell in row.all("th") + row.all("td")] for row in table.all("tr")]
        for table in root.all("table")
    ]


# Markdown


def test_the_tables_of_markdown_hold_the_figures() -> None:
    results = fake_results.positions()
    main, runs, *_ = tables(read(markdown(report(results))))
    assert main[0][:4] == ["variant", "seeds done", "bits per byte (valid)", "SD"]
    values = [*results.values("position=alibi").values()]
    (alibi,) = [row for row in main if row[0].startswith("position=alibi")]
    assert alibi[:3] == [
        "position=alibi (tuned trainer.optimizer.lr = 0.003)", "4 of 5, 1 failed", f"{mean(values):.3f}†",
    ]  # fmt: skip
    assert alibi[3] == f"{stdev(values):.3f}"
    assert runs[0] == ["variant", *(f"seed {seed}" for seed in results.seeds)]
    assert runs[3] == ["position=alibi", f"{values[0]:.3f}", "failed", *(f"{value:.3f}" for value in values[1:])]


@STUDIES
def test_every_table_of_markdown_is_one_and_has_all_its_cells(study: str) -> None:
    results = fake_results.STUDIES[study]()
    root = read(markdown(report(results)))
    for table in tables(root):
        assert len({len(row) for row in table}) == 1
    main = tables(root)[0]
    assert len(main) == 1 + len(results.variants)
    assert sorted(row[0].split(" (")[0] for row in main[1:]) == sorted(
        printable(v.name).split(" (")[0] for v in results.variants
    )


def test_names_that_mean_something_in_markdown_are_only_text() -> None:
    results = fake_results.hostile()
    root = read(markdown(report(results)))
    assert [row[0] for row in tables(root)[0][1:]] == [printable(variant.name) for variant in results.variants]
    assert root.all("h1")[0].text == "<b>&study|_"
    assert not root.all("script") + root.all("img") + root.all("a") + root.all("em")
    assert [code.text for code in root.all("pre")][-1] == "-<b> +</pre>`````"


def test_the_sections_of_markdown_are_those_of_the_page() -> None:
    titles = [title.text for title in read(markdown(report(fake_results.positions()))).all("h2")]
    assert titles == [
        "Verdicts", "Limits", "Table", "Every run", "Second opinion", "Runs that did not finish", "Provenance",
    ]  # fmt: skip
    assert "Interactions" in [title.text for title in read(markdown(report(fake_results.grid()))).all("h2")]
    assert [title.text for title in read(markdown(report(fake_results.only_base()))).all("h2")] == [
        "Table",
        "Every run",
    ]


SIGNS = st.text(st.sampled_from("\\`*_{}[]()<>#+-.!|~&$^@:=\"'/ab1 名é;"), min_size=1, max_size=12)


@settings(max_examples=300)
@given(SIGNS)
def test_any_text_is_shown_as_it_is(text: str) -> None:
    text = printable(text)
    assert read(paragraph(text)).text == text
    if text:
        table = READER.render(f"| a |\n| - |\n| {escaped(text)} |")
        assert tables(parsed(table))[0][1:] == [[text]]


def test_what_means_nothing_is_not_escaped() -> None:
    plain = "p <0.001, −0.03 [−0.05, −0.01], t5_bias = 1 & more: a-b #1 (95 %)"
    assert escaped(plain) == plain


# LaTeX


@STUDIES
def test_every_row_of_latex_has_its_cells_and_every_brace_its_other(study: str) -> None:
    results = fake_results.STUDIES[study]()
    text = latex(report(results))
    compared, took = (part.strip().split("\n") for part in re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.DOTALL))
    for lines, cells in ((compared, 6), (took, 7)):
        assert len(lines) == len(results.variants)
        assert all(line.endswith(r" \\") for line in lines)
        assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {cells - 1}
    bare = re.sub(r"\\[\\{}$&#%_]", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert text.isascii()
    assert not re.search(r"(?<!\\)%", text.split("\n", 1)[1]), "it would comment out the rest of the line"


def test_the_row_of_latex_is_what_a_paper_prints() -> None:
    text = latex(report(fake_results.positions()))
    name = r"\raggedright position=\allowbreak{}none"
    lines = [line.strip() for line in text.split("\n") if line.strip().startswith(name)]
    compared, took = ([cell.strip() for cell in line.removesuffix(r" \\").split("&")] for line in lines)
    assert compared == [
        name, r"2.196 $\pm$ 0.036\textsuperscript{\dag}", "$+0.070$", "$[+0.033, +0.108]$", "$0.020$", "worse",
    ]  # fmt: skip
    assert took == [name, "4 of 5, 1 diverged", "", r"1.18\,M", r"7.10\,M", r"1.23\,M", took[-1]]
    assert r"\textsuperscript{\dag} Mean over the runs that finished" in text


def test_names_that_mean_something_in_latex_are_only_text() -> None:
    # Each sign on its own, as LaTeX's own documentation says to print it.
    assert latex_escaped(r"50%_{x}^2 & $\a$ #1~") == (
        r"50\%\_\{x\}\textasciicircum{}2 \& \$\textbackslash{}a\$ \#1\textasciitilde{}"
    )
    assert latex_escaped("[a--b] <c>|\"d'`") == (
        r"{[}a-{}-b] \textless{}c\textgreater{}\textbar{}\char34{}d'\textasciigrave{}"
    )
    assert latex_escaped("µ é Ž ß λ 名 −1 ± × … †") == (
        r"\ensuremath{\mu} é Ž \ss{} \ensuremath{\lambda} \texttt{U+540D} \ensuremath{-}1 "
        r"\ensuremath{\pm} \ensuremath{\times} \ldots{} \dag{}"
    )


@pytest.mark.needs("latex")
@STUDIES
def test_latex_compiles(study: str, tmp_path: Path) -> None:
    (tmp_path / "table.tex").write_text(latex(report(fake_results.STUDIES[study]())), encoding="utf-8")
    paper = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{table.tex}\end{document}"
    (tmp_path / "paper.tex").write_text(paper, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout, "it runs off the page"
    assert "Float too large" not in done.stdout
