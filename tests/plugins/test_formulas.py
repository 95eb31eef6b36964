"""Which of the built-in parts say what they compute as a formula."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from partwise.parts.part import formulas_of
from partwise.parts.registry import RegisteredPart, registry
from partwise.rendering.maths import mathml

OTHERS = frozenset(["data", "engine", "evaluation", "tokenizer", "tracker", "trainer"])
"""Kinds whose parts read, write or run something. Those of all others compute something."""

BUILT_IN = [one for one in registry().entries() if one.plugin.builtin]


def test_every_part_that_computes_something_has_a_formula() -> None:
    without = [f"{one.part.kind} {one.name}" for one in BUILT_IN if not formulas_of(one.part)]
    lacking = [name for name in without if name.split()[0] not in OTHERS]
    assert not lacking, f"{len(lacking)} of {len(BUILT_IN)} parts have no formula, and should: {', '.join(lacking)}"


@pytest.mark.parametrize("entry", [one for one in BUILT_IN if formulas_of(one.part)], ids=lambda one: one.name)
def test_every_formula_is_set_without_a_backslash_left(entry: RegisteredPart) -> None:
    for latex in formulas_of(entry.part):
        text = "".join(ElementTree.fromstring(mathml(latex)).itertext())
        assert text
        assert "\\" not in text
        assert "&" not in text


def test_a_part_derived_from_another_does_not_have_its_formula() -> None:
    part = next(one.part for one in BUILT_IN if one.name == "rms_norm")
    derived = type("Derived", (part,), {"name": "derived", "__doc__": "A norm of another kind than its forebear."})
    assert formulas_of(part)
    assert formulas_of(derived) == ()
