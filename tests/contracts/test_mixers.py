"""Every mixer, attention and block, at every site where it fits."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from . import catalogue, checks_mixers
from .catalogue import Case

CASES = catalogue.cases("mixer", "block")


def each(cases: Iterable[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", list(cases), ids=str)


everywhere = each(CASES)
where_causal = each(case for case in CASES if checks_mixers.is_causal(case.site))
where_it_decodes = each(case for case in CASES if checks_mixers.decodes(case.site))
over_a_memory = each(case for case in CASES if case.site.memory_width is not None)


@everywhere
def test_it_keeps_the_shape(case: Case) -> None:
    checks_mixers.check_shape(case.part, case.site)


@where_causal
def test_it_does_not_see_the_future(case: Case) -> None:
    checks_mixers.check_the_future_is_not_seen(case.part, case.site)


@where_causal
def test_its_gradient_does_not_reach_the_future(case: Case) -> None:
    checks_mixers.check_no_gradient_reaches_the_future(case.part, case.site)


@everywhere
def test_it_moves_information(case: Case) -> None:
    checks_mixers.check_information_moves(case.part, case.site)


@where_it_decodes
def test_cached_decoding_equals_one_pass(case: Case) -> None:
    checks_mixers.check_cached_decoding(case.part, case.site)


@where_it_decodes
def test_its_states_can_be_reordered(case: Case) -> None:
    checks_mixers.check_states_can_be_reordered(case.part, case.site)


@where_it_decodes
def test_its_states_have_the_dtype_asked_for(case: Case) -> None:
    checks_mixers.check_state_dtype(case.part, case.site)


@where_it_decodes
def test_it_decodes_after_left_padding(case: Case) -> None:
    checks_mixers.check_decoding_after_left_padding(case.part, case.site)


@everywhere
def test_a_batch_equals_its_rows(case: Case) -> None:
    checks_mixers.check_a_batch_equals_its_rows(case.part, case.site)


@everywhere
def test_padding_is_not_read(case: Case) -> None:
    checks_mixers.check_padding_is_not_read(case.part, case.site)


@everywhere
def test_packed_documents_are_apart(case: Case) -> None:
    checks_mixers.check_packed_documents_are_apart(case.part, case.site)


@everywhere
def test_nothing_but_padding_stays_finite(case: Case) -> None:
    checks_mixers.check_nothing_but_padding_stays_finite(case.part, case.site)


@over_a_memory
def test_padding_of_the_memory_is_not_read(case: Case) -> None:
    checks_mixers.check_padding_of_the_memory_is_not_read(case.part, case.site)
