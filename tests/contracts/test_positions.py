"""Every position encoder."""

from __future__ import annotations

import pytest

from . import catalogue, checks_positions
from .catalogue import Case

every_position = pytest.mark.parametrize("case", catalogue.cases("position"), ids=str)


@every_position
def test_it_acts_where_it_says(case: Case) -> None:
    checks_positions.check_it_acts_where_it_says(case.part, case.site)


@every_position
def test_a_later_start_is_a_slice(case: Case) -> None:
    checks_positions.check_a_later_start_is_a_slice(case.part, case.site)


@every_position
def test_each_row_has_positions_of_its_own(case: Case) -> None:
    checks_positions.check_each_row_has_positions_of_its_own(case.part, case.site)


@every_position
def test_scores_see_distances_only(case: Case) -> None:
    checks_positions.check_scores_see_distances_only(case.part, case.site)


@every_position
def test_rotation_keeps_lengths(case: Case) -> None:
    checks_positions.check_rotation_keeps_lengths(case.part, case.site)


@every_position
def test_tables_stay_exact_in_half_precision(case: Case) -> None:
    checks_positions.check_tables_stay_exact_in_half_precision(case.part, case.site)


@every_position
def test_there_is_no_end_or_it_is_declared(case: Case) -> None:
    checks_positions.check_there_is_no_end_or_it_is_declared(case.part, case.site)


@every_position
def test_an_odd_head_is_refused_or_served(case: Case) -> None:
    checks_positions.check_an_odd_head_is_refused_or_served(case.part, case.site)
