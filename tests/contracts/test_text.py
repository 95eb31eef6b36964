"""Every tokenizer and every data set."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partwise import Part
from partwise.interfaces import Example

from . import catalogue, checks_text, parametrising

every_tokenizer, every_data = parametrising.every_example("tokenizer"), parametrising.every_example("data")
but_for_one = parametrising.every_example(
    "data", failing={"data/pairs[1]": "its example names one file to validate and to test on, as a user may"}
)


@every_tokenizer
def test_texts_come_back(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = checks_text.tokenizer_of(part)
    monkeypatch.setattr(checks_text, "tokenizer_of", lambda part: tokenizer)
    for text in checks_text.TEXTS:
        checks_text.check_round_trip(part, text)

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.text(max_size=40))
    def any_text(text: str) -> None:
        checks_text.check_round_trip(part, text)

    any_text()


@every_tokenizer
def test_it_knows_the_text_it_learned_from(part: Part) -> None:
    checks_text.check_the_text_it_learned_from_has_no_unknowns(part)


@every_tokenizer
def test_unknowns_are_declared(part: Part) -> None:
    checks_text.check_unknowns_are_declared(part)


@every_tokenizer
def test_lone_surrogates_become_replacement_characters(part: Part) -> None:
    checks_text.check_lone_surrogates_become_replacement_characters(part)


@every_tokenizer
def test_special_tokens_are_text_in_text(part: Part) -> None:
    checks_text.check_special_tokens_are_text_in_text(part)


@every_tokenizer
def test_bytes_of_tokens_join_to_the_text(part: Part) -> None:
    checks_text.check_bytes_of_tokens_join_to_the_text(part)


@every_tokenizer
def test_every_token_has_a_label(part: Part) -> None:
    checks_text.check_every_token_has_a_label(part)


@every_tokenizer
def test_it_is_restored_exactly(part: Part) -> None:
    checks_text.check_save_and_restore(part)


@every_tokenizer
def test_its_training_is_deterministic(part: Part) -> None:
    checks_text.check_training_is_deterministic(part)


@every_tokenizer
def test_its_vocabulary_is_as_planned(part: Part) -> None:
    checks_text.check_the_vocabulary_is_as_planned(part)


@every_data
def test_examples_are_sound(part: Part) -> None:
    checks_text.check_examples_are_sound(part)


@every_data
def test_it_yields_the_same_each_time(part: Part) -> None:
    checks_text.check_it_yields_the_same_each_time(part)


@but_for_one
def test_splits_share_nothing(part: Any) -> None:
    def whole(example: Example) -> str:
        return "\x00".join(piece.text for piece in example.pieces)

    checks_text.check_splits_share_nothing(part, whole)


@every_data
def test_other_data_has_another_identity(part: Part) -> None:
    checks_text.check_identity(part, catalogue.examples(type(part)))
