"""A metric may be that of one member of a mixture."""

from __future__ import annotations

import pytest

from partwise import InputError
from partwise.studies.definition.study import MetricChoice
from partwise.studies.planning.refusals import measured_on

from ...data.test_mixed import mixture, stream


def test_the_member_that_is_measured_is_one_of_the_mixture() -> None:
    members = {"code": stream(5, 1, "valid"), "prose": stream(9, 2, "valid")}
    split = mixture(members, {"code": 1.0, "prose": 1.0})
    assert measured_on(split, None) is split
    assert measured_on(split, "prose").scored_tokens == 9
    with pytest.raises(InputError, match=r"member 'prosa', did you mean 'prose'\?; there are code, prose"):
        measured_on(split, "prosa")
    with pytest.raises(InputError, match="the data are no mixture"):
        measured_on(members["code"], "code")


def test_a_metric_of_a_member_is_called_by_its_name() -> None:
    assert MetricChoice(name="bits_per_byte", member="code").asked().label == "bits per byte (code, valid)"
