"""Every knob of every registered part."""

from __future__ import annotations

import pytest

from partwise import Part

from . import catalogue, checks_knobs, parametrising

SILENT = {
    "tokenizer/tiktoken.encoding": "its ranks would have to be downloaded",
    "tokenizer/tiktoken.ranks": "its example reads the one file of ranks that comes with it",
    "data/text.files": "its examples read the one text that comes with it, so there is no other value to try",
    "data/pairs.files": "its examples read the one file of pairs that comes with it, so there is no other value to try",
}
"""Knobs that change nothing that can be observed, with the reason. Should one begin to, that is an error."""


EVERY_KNOB = {
    f"{catalogue.identity(entry)}.{knob}": (entry.part, knob)
    for entry in catalogue.entries()
    for knob in entry.part.model_fields
}


@pytest.mark.parametrize(("part", "knob"), parametrising.params(EVERY_KNOB, SILENT))
def test_it_makes_a_difference(part: type[Part], knob: str) -> None:
    checks_knobs.check_knob(part, knob)
