"""Text from tokens: whole characters, rows of their own, sources, and as much room as is needed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from partwise import InputError
from partwise.data import Batch
from partwise.decoding import Decoder, generate_text, generate_texts, left_padded
from partwise.modules import Decoding

from .writing import END, ByteTokenizer, Summing


class Script:
    """A sampler that writes given columns of tokens."""

    def __init__(self, columns: list[list[int]]) -> None:
        self.columns = columns

    def generate(self, decoder: Decoder, limit: int, generator: torch.Generator) -> Iterator[Tensor]:
        for column in self.columns[:limit]:
            tokens = torch.tensor(column)
            yield tokens
            decoder.advance(tokens)


def pieces(columns: list[list[int]], limit: int = 99) -> list[list[str]]:
    prompt = left_padded([[1]] * len(columns[0]), END)
    return list(generate_texts(Summing(), ByteTokenizer(), prompt, Script(columns), limit))


def test_characters_split_over_tokens_come_when_they_are_complete() -> None:
    assert pieces([[1], [3], [4], [6], [END]]) == [["a"], [""], ["€"], [" c"], [""]]


def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    assert pieces([[5], [1]]) == [["�"], ["a"]]
    assert pieces([[1], [3]]) == [["a"], [""], ["�"]], "cut in the middle of a character"


def test_each_row_has_its_own_text() -> None:
    assert pieces([[3, 1], [4, END], [2, END]]) == [["", "a"], ["€", ""], ["b", ""]]


def test_text_of_one_prompt_comes_without_empty_pieces() -> None:
    text = generate_text(Summing(), ByteTokenizer(), "ab", Script([[1], [3], [4], [END]]), 10)
    assert list(text) == ["a", "€"]


def test_dropout_is_off_while_text_is_written_and_on_again_afterwards() -> None:
    model = Summing().train()
    writing = generate_text(model, ByteTokenizer(), "ab", Script([[1], [2]]), 10)
    next(writing)
    assert not model.training
    writing.close()
    assert model.training


def test_a_pair_is_written_from_its_source() -> None:
    model = Summing()
    list(generate_text(model, ByteTokenizer(), "ab", Script([[1]]), 3, pairs=True))
    (prompt,) = model.begun
    assert prompt.tokens.tolist() == [[END]]
    assert prompt.source is not None
    assert prompt.source.tolist() == [[1, 2]]


def test_a_source_that_is_empty_or_too_long_is_an_input_error() -> None:
    with pytest.raises(InputError, match="empty"):
        next(generate_text(Summing(), ByteTokenizer(), "", Script([[1]]), 3, pairs=True))
    with pytest.raises(InputError, match="7 tokens is too long for this model, whose context is 6"):
        next(generate_text(Summing(), ByteTokenizer(), "abababa", Script([[1]]), 3, pairs=True))


def test_states_are_no_longer_than_the_text_and_never_than_the_context() -> None:
    class Asked(Summing):
        def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
            rooms.append(room)
            return super().begin(prompt, room)

    rooms: list[int] = []
    list(generate_text(Asked(), ByteTokenizer(), "a", Script([[1]]), 2))
    list(generate_text(Asked(), ByteTokenizer(), "a", Script([[1]]), 200))
    assert rooms == [4, 6]
