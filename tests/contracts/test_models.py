"""Every model."""

from __future__ import annotations

import pytest

from . import catalogue, checks_models
from .catalogue import Case

every_model = pytest.mark.parametrize("case", catalogue.cases("model"), ids=str)


@every_model
def test_its_first_loss_is_that_of_guessing(case: Case) -> None:
    checks_models.check_first_loss_is_that_of_guessing(case.part, case.site)


@every_model
def test_it_can_learn_a_batch_by_heart(case: Case) -> None:
    checks_models.check_it_can_learn_a_batch_by_heart(case.part, case.site)


@every_model
def test_its_loss_is_cross_entropy_of_its_logits(case: Case) -> None:
    checks_models.check_loss_is_cross_entropy_of_the_logits(case.part, case.site)


@every_model
def test_padding_on_the_right_costs_nothing(case: Case) -> None:
    checks_models.check_padding_on_the_right_costs_nothing(case.part, case.site)


@every_model
def test_packed_texts_are_apart(case: Case) -> None:
    checks_models.check_packed_texts_are_apart(case.part, case.site)


@every_model
def test_it_does_not_see_the_future(case: Case) -> None:
    checks_models.check_the_future_is_not_seen(case.part, case.site)


@every_model
def test_cached_decoding_equals_one_pass(case: Case) -> None:
    checks_models.check_cached_decoding(case.part, case.site)


@every_model
def test_padded_prompts_continue_as_they_do_alone(case: Case) -> None:
    checks_models.check_decoding_of_padded_prompts(case.part, case.site)


@every_model
def test_rows_of_a_decoding_can_be_reordered(case: Case) -> None:
    checks_models.check_rows_of_a_decoding_can_be_reordered(case.part, case.site)


@every_model
def test_it_reads_its_source(case: Case) -> None:
    checks_models.check_it_reads_its_source(case.part, case.site)
