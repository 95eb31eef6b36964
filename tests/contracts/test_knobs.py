"""Every knob of every registered part."""

from __future__ import annotations

import pytest

from partwise import Part

from . import catalogue, checks_knobs

SILENT = {
    "data/text.files": "its examples read the one text that comes with it, so there is no other value to try",
    "data/pairs.files": "its examples read the one file of pairs that comes with it, so there is no other value to try",
}
"""Knobs that change nothing that can be observed, with the reason. Should one begin to, that is an error."""


def every_knob() -> pytest.MarkDecorator:
    params = []
    silent = dict(SILENT)
    for entry in catalogue.entries():
        for knob in entry.part.model_fields:
            name = f"{catalogue.identity(entry)}.{knob}"
            reason = silent.pop(name, None)
            marks = () if reason is None else pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)
            params.append(pytest.param(entry.part, knob, id=name, marks=marks))
    assert not silent, f"said to do nothing, but not there: {sorted(silent)}"
    return pytest.mark.parametrize(("part", "knob"), params)


@every_knob()
def test_it_makes_a_difference(part: type[Part], knob: str) -> None:
    checks_knobs.check_knob(part, knob)
