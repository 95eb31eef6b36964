"""LaTeX as MathML: what can be set is, and what cannot is refused, never set half."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from partwise.rendering.maths import equations, mathml


def shown(latex: str) -> str:
    """The letters of an equation, in order."""
    return "".join(ElementTree.fromstring(mathml(latex)).itertext())


def test_a_fraction_under_a_root_is_one() -> None:
    tree = ElementTree.fromstring(mathml(r"\frac{x}{\sqrt{d}}"))
    (fraction,) = tree.iter("mfrac")
    above, below = fraction
    assert "".join(above.itertext()) == "x"
    assert [root.tag for root in below.iter("msqrt")] == ["msqrt"]


def test_signs_are_those_of_mathematics() -> None:
    assert shown(r"a \odot b \le \sum_{i} \Phi(x_i) \sim c") == "a⊙b≤∑iΦ(xi)∼c"


def test_the_names_of_functions_are_upright_words_with_room_behind_them() -> None:
    assert '<mi>softmax</mi><mo stretchy="false">(</mo>' in mathml(r"\operatorname{softmax}(x)")
    assert '<mi>log</mi><mspace width="0.167em"></mspace><mi>x</mi>' in mathml(r"\log x")


def test_the_latex_is_the_text_that_stands_for_it() -> None:
    assert mathml("a < b").startswith('<math display="block" alttext="a &lt; b">')


@pytest.mark.parametrize(
    ("latex", "why"),
    [
        (r"\fraction{a}{b}", r"\fraction"),
        (r"\arg\max_v p", r"\arg"),
        (r"\frac{a}", "not complete"),
        (r"\operatorname{}x", "not complete"),
        ("x^", "no LaTeX"),
        ("a & b", "no LaTeX"),
        ("", "no LaTeX"),
        ("{" * 5000 + "a" + "}" * 5000, "LaTeX|nested"),
    ],
)
def test_what_cannot_be_set_is_refused(latex: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("\\", r"\\")):
        mathml(latex)


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{<script>alert(1)</script>}",
        r"\href{javascript:alert(1)}{x}",
        r"<img src=x onerror=alert(1)>",
        '"><script>alert(1)</script>',
    ],
)
def test_markup_in_a_formula_is_text(latex: str) -> None:
    page = equations([latex])
    assert not re.search(r"<(?:script|img|a)\b|\shref=", page)


def test_what_cannot_be_set_is_shown_as_it_is_written() -> None:
    assert equations([r"\fraction{a}{b}"]) == (
        '<div class="equations"><pre class="equation">\\fraction{a}{b}</pre>\n</div>'
    )


def test_a_sign_is_no_difference() -> None:
    assert '<mo form="prefix">−</mo><mi>x</mi>' in mathml("f(-x)")
    assert "<mo>−</mo><mi>x</mi>" in mathml("a - x")
