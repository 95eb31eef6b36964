"""Prompts: where padding stands, and what each row begins with."""

from __future__ import annotations

import pytest

from partwise import InputError
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


class Named(ByteTokenizer):
    before_prompt = (END,)

    def encode_special(self, text: str) -> list[int]:
        return [END if letter == "." else self.encode(letter)[0] for letter in text]


def test_names_of_special_tokens_are_these_tokens_only_where_they_are_asked_for() -> None:
    assert text_prompt(Named(), ["ab"]).tokens.tolist() == [[END, 1, 2]]
    assert text_prompt(Named(), ["ab"], special=True).tokens.tolist() == [[END, 1, 2]]
    with pytest.raises(KeyError):
        text_prompt(Named(), ["a.b"])
    assert text_prompt(Named(), ["a.b"], special=True).tokens.tolist() == [[END, 1, END, 2]]
    assert text_prompt(Named(), [".ab"], special=True).tokens.tolist() == [[END, 1, 2]]  # it begins so by itself
    source = source_prompt(Named(), ["a."], special=True).source
    assert source is not None
    assert source.tolist() == [[1, END]]


def test_a_tokenizer_without_names_says_so() -> None:
    with pytest.raises(InputError, match="no special tokens with names"):
        text_prompt(ByteTokenizer(), ["a"], special=True)


def test_sources_are_padded_on_the_right_and_targets_begin_with_the_end_token() -> None:
    batch = source_prompt(ByteTokenizer(), ["ab", "b"])
    assert batch.tokens.tolist() == [[END], [END]]
    assert batch.source is not None
    assert batch.source.tolist() == [[1, 2], [2, END]]
    assert batch.source_padding is not None
    assert batch.source_padding.tolist() == [[True, True], [True, False]]
