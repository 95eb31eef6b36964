"""Docstrings as markup."""

from __future__ import annotations

import pytest

from partwise.catalogue.prose import Paper, blocks, formula, inline, papers

ARXIV = "https://arxiv.org/abs/"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Two layers: max(0, x W1 + b1) W2 + b2 (Vaswani et al. 2017).", "max(0, x W1 + b1) W2 + b2"),
        ("Normalises before each branch, x + f(norm(x)) (GPT-2 onward).", "x + f(norm(x))"),
        ("Gated by a SiLU: (silu(x Wg) * x Wu) Wd (Shazeer 2020; Llama).", "(silu(x Wg) * x Wu) Wd"),
        ("Recurrence: h_t = tanh(W h_{t-1} + b) (Elman 1990).", "h_t = tanh(W h_{t-1} + b)"),
        ("Text files, of any size: UTF-8, each one running text.", None),
        ("Byte pairs of a public model: an encoding known by name, or a file (see there).", None),
        ("Plain.", None),
        ("", None),
    ],
)
def test_a_formula_in_a_line_is_found_and_nothing_else_is(line: str, expected: str | None) -> None:
    assert formula(line) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(Su et al. 2021).", [Paper("Su et al. 2021", None)]),
        ("(Ba & Li 2016; Kudo and Li 2018)", [Paper("Ba & Li 2016", None), Paper("Kudo and Li 2018", None)]),
        ("by Chung et al. (2014) and", [Paper("Chung et al. 2014", None)]),
        ("(Chen et al. 2023, arXiv:2302.06675)", [Paper("Chen et al. 2023, arXiv:2302.06675", ARXIV + "2302.06675")]),
        ("arXiv:cs/9901002", [Paper("arXiv:cs/9901002", ARXIV + "cs/9901002")]),
        ("doi:10.1162/neco.97.1735.", [Paper("doi:10.1162/neco.97.1735", "https://doi.org/10.1162/neco.97.1735")]),
        ("Su et al. 2021, and again Su et al. 2021", [Paper("Su et al. 2021", None)]),
        ("in May 2024 of 2048 tokens, since 1999", []),
    ],
)  # fmt: skip
def test_papers_are_found_by_authors_and_year_arxiv_number_or_doi(text: str, expected: list[Paper]) -> None:
    assert papers(text) == expected


def test_markup_in_text_is_escaped_in_every_kind_of_block() -> None:
    text = "a <b>\n\n    f(<i>)\n\n- <u>\n\n`<s>` *<x>*"
    assert not [tag for tag in ("<b>", "<i>", "<u>", "<s>", "<x>") if tag in blocks(text)]
    assert blocks(text).count("&lt;") == 5


def test_indented_lines_keep_their_breaks_and_neighbours_join() -> None:
    assert blocks("    a = b\n      + c\n\n    d = e") == '<pre class="formula">a = b\n  + c\n\nd = e</pre>\n'


def test_stars_stress_a_word_and_multiply_numbers() -> None:
    assert inline("the *old* state, a * b * c, x*y*z, 2*n") == "the <em>old</em> state, a * b * c, x*y*z, 2*n"


def test_code_is_linked_where_there_is_a_page() -> None:
    assert inline("`rope` or ``gru``", {"rope": "r.html"}.get) == (
        '<a href="r.html"><code>rope</code></a> or <code>gru</code>'
    )


def test_a_docstring_of_any_length_is_read_in_no_time() -> None:
    """(Patterns that go back and forth would not come to an end here.)"""
    for text in ("Ab, " * 20_000, "`" * 20_000, "*a" * 20_000, "10.1234/" * 10_000, "A" * 50_000, "(" * 20_000):
        papers(text)
        inline(text)
        formula(text)
