"""Every norm and every feed-forward."""

from __future__ import annotations

import pytest

from . import catalogue, checks_pointwise
from .catalogue import Case

every_one = pytest.mark.parametrize("case", catalogue.cases("norm", "feedforward"), ids=str)


@every_one
def test_each_position_is_by_itself(case: Case) -> None:
    checks_pointwise.check_position_by_position(case.part, case.site)


@every_one
def test_large_and_zero_inputs_stay_finite(case: Case) -> None:
    checks_pointwise.check_large_and_zero_inputs_stay_finite(case.part, case.site)
