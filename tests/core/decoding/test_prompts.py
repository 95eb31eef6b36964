"""Prompts: where padding stands, and what each row begins with."""

from __future__ import annotations

from partwise.decoding import left_padded, source_prompt, text_prompt

from .writing import END, ByteTokenizer


def test_left_padding_stands_on_the_left_and_an_empty_row_is_the_end_token() -> None:
    batch = left_padded([[1, 2, 3], [4], []], END)
    assert batch.tokens.tolist() == [[1, 2, 3], [0, 0, 4], [0, 0, 0]]
    assert batch.padding is not None
    assert batch.padding.tolist() == [[True] * 3, [False, False, True], [False, False, True]]


def test_rows_of_equal_length_need_no_padding() -> None:
    assert left_padded([[1, 2], [3, 4]], END).padding is None


def test_a_prompt_begins_as_texts_do() -> None:
    assert text_prompt(ByteTokenizer(), ["ab"]).tokens.tolist() == [[END, 1, 2]]
    assert text_prompt(ByteTokenizer(), [""]).tokens.tolist() == [[END]]


def test_sources_are_padded_on_the_right_and_targets_begin_with_the_end_token() -> None:
    batch = source_prompt(ByteTokenizer(), ["ab", "b"])
    assert batch.tokens.tolist() == [[END], [END]]
    assert batch.source is not None
    assert batch.source.tolist() == [[1, 2], [2, END]]
    assert batch.source_padding is not None
    assert batch.source_padding.tolist() == [[True, True], [True, False]]
