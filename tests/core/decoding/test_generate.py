"""Text from tokens: whole characters, rows of their own, sources, and as much room as is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from partwise import InputError, WorkError
from partwise.data import Batch
from partwise.decoding import Decoder, Writing, draw_from, generate_text, generate_texts, left_padded
from partwise.decoding.stops import StopStrings
from partwise.modules import Decoding

from .test_many import sampler_of
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
    return list(generate_texts(Summing(), ByteTokenizer(), prompt, Writing(Script(columns), limit)))


def test_characters_split_over_tokens_come_when_they_are_complete() -> None:
    assert pieces([[1], [3], [4], [6], [END]]) == [["a"], [""], ["€"], [" c"], [""]]


def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    assert pieces([[5], [1]]) == [["�"], ["a"]]
    assert pieces([[1], [3]]) == [["a"], [""], ["�"]], "cut in the middle of a character"


def test_each_row_has_its_own_text() -> None:
    assert pieces([[3, 1], [4, END], [2, END]]) == [["", "a"], ["€", ""], ["b", ""]]


def test_text_of_one_prompt_comes_without_empty_pieces() -> None:
    text = generate_text(Summing(), ByteTokenizer(), "ab", Writing(Script([[1], [3], [4], [END]]), 10))
    assert list(text) == ["a", "€"]


def test_dropout_is_off_while_text_is_written_and_on_again_afterwards() -> None:
    model = Summing().train()
    writing = generate_text(model, ByteTokenizer(), "ab", Writing(Script([[1], [2]]), 10))
    next(writing)
    assert not model.training
    writing.close()
    assert model.training


def test_a_pair_is_written_from_its_source() -> None:
    model = Summing()
    list(generate_text(model, ByteTokenizer(), "ab", Writing(Script([[1]]), 3, pairs=True)))
    (prompt,) = model.begun
    assert prompt.tokens.tolist() == [[END]]
    assert prompt.source is not None
    assert prompt.source.tolist() == [[1, 2]]


def test_a_source_that_is_empty_or_too_long_is_an_input_error() -> None:
    with pytest.raises(InputError, match="empty"):
        next(generate_text(Summing(), ByteTokenizer(), "", Writing(Script([[1]]), 3, pairs=True)))
    with pytest.raises(InputError, match="7 tokens is too long for this model, whose context is 6"):
        next(generate_text(Summing(), ByteTokenizer(), "abababa", Writing(Script([[1]]), 3, pairs=True)))


def test_states_are_no_longer_than_the_text_and_never_than_the_context() -> None:
    class Asked(Summing):
        def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
            rooms.append(room)
            return super().begin(prompt, room)

    rooms: list[int] = []
    list(generate_text(Asked(), ByteTokenizer(), "a", Writing(Script([[1]]), 2)))
    list(generate_text(Asked(), ByteTokenizer(), "a", Writing(Script([[1]]), 200)))
    assert rooms == [4, 6]


# --- stop strings


def stopped(columns: list[list[int]], *stop: str) -> list[list[str]]:
    prompt = left_padded([[1]] * len(columns[0]), END)
    return list(generate_texts(Summing(), ByteTokenizer(), prompt, Writing(Script(columns), 99, stop)))


def test_a_text_ends_before_a_stop_string_of_which_nothing_is_shown() -> None:
    assert stopped([[1], [2], [1], [6], [2]], "a c") == [[""], ["ab"], [""], [""]]


def test_what_only_began_like_a_stop_string_is_shown_after_all() -> None:
    assert stopped([[1], [1], [2], [1], [END]], "aab c") == [[""], [""], [""], ["aab"], [""], ["a"]]
    assert stopped([[1], [1], [1], [2]], "aab") == [[""], [""], ["a"], [""]]


def test_a_stop_string_may_begin_and_end_within_tokens_and_characters() -> None:
    assert stopped([[1], [3], [4], [6], [2]], "€ ") == [["a"], [""], [""], [""]]
    assert stopped([[2], [6], [6]], "c c") == [["b"], [" "], [""]]
    assert stopped([[3], [1], [3], [4]], "€") == [[""], ["�a"], [""], [""]], "half a character is none"


def test_the_stop_string_that_is_complete_first_ends_the_text_and_of_two_the_longer() -> None:
    assert stopped([[1], [2], [1]], "bab", "ba", "aba") == [[""], [""], [""]]
    assert stopped([[1], [2], [6], [1]], "b", "ab c") == [[""], ["a"]]


def test_each_row_stops_by_itself_and_all_of_them_end_the_writing() -> None:
    columns = [[1, 2], [2, 2], [1, 1], [1, 2], [1, 1]]
    assert stopped(columns, "ab") == [["", "b"], ["", "b"], ["", ""], ["", ""]]


def test_after_a_stop_string_nothing_is_written() -> None:
    script = Script([[1], [2], [1]])
    text = generate_text(Summing(), ByteTokenizer(), "ab", Writing(script, 10, stop=("b",)))
    assert list(text) == ["a"]


def test_the_prompt_may_hold_stop_strings() -> None:
    assert (
        "".join(generate_text(Summing(), ByteTokenizer(), "ab", Writing(Script([[2], [1]]), 9, stop=("ab",)))) == "ba"
    )


def test_an_empty_stop_string_is_an_input_error_at_once() -> None:
    with pytest.raises(InputError, match="a stop string is empty"):
        generate_text(Summing(), ByteTokenizer(), "ab", Writing(Script([[1]]), 9, stop=("a", "")))


def naive(columns: list[int], stop: list[str]) -> str:
    """Byte by byte: the text up to the first place at which it ends with a stop string, without that."""
    text = b""
    for byte in b"".join(ByteTokenizer.bytes_of[token] for token in columns):
        text += bytes([byte])
        ends = [string.encode() for string in stop if text.endswith(string.encode())]
        if ends:
            return text[: -max(map(len, ends))].decode("utf-8", "replace")
    return text.decode("utf-8", "replace")


@given(
    st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=12),
    st.lists(st.text("ab c€", min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_stopping_equals_looking_at_the_text_byte_by_byte(tokens: list[int], stop: list[str]) -> None:
    columns = [[token] for token in tokens]
    assert "".join(piece for (piece,) in stopped(columns, *stop)) == naive(tokens, stop)


def test_it_stops_where_transformers_does() -> None:
    """transformers looks at the tail of all ids, prompt included; here the prompt has no part in any stop string."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, StopStringCriteria

    pieces = ["<s>", "a", "b", "ab", "ba", "c", "Ġ", "Ġa", "bc", "aba"]
    bpe = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="<s>"))
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    theirs = PreTrainedTokenizerFast(tokenizer_object=bpe)

    class Ours(ByteTokenizer):
        bytes_of = (b"", *(piece.replace("Ġ", " ").encode() for piece in pieces[1:]))

    generator = torch.Generator().manual_seed(0)
    for stop in (["abc"], ["bab", " a"], ["a a"], ["cab", "bb"]):
        criteria, ours = StopStringCriteria(theirs, stop), StopStrings(stop, Ours())
        texts = torch.randint(1, len(pieces), (60, 12), generator=generator)
        for n in range(1, 13):
            ids = torch.cat((torch.zeros(60, 1, dtype=torch.int64), texts[:, :n]), 1)
            assert criteria(ids, None).tolist() == [ours.completed(row) for row in texts[:, :n].tolist()]


# --- what cannot be written


@pytest.mark.parametrize("limit", [-1, -(10**6)])
def test_fewer_than_no_tokens_are_an_input_error(limit: int) -> None:
    with pytest.raises(InputError, match=f"0 tokens or more, not {limit}"):
        Writing(sampler_of("greedy"), limit)


def test_one_string_in_place_of_a_list_would_be_its_characters() -> None:
    with pytest.raises(InputError, match=r"write stop=\['end'\]"):
        Writing(sampler_of("greedy"), 3, stop="end")


@pytest.mark.parametrize("choice", ["greedy", "temperature", {"use": "top_k", "k": 2}, {"use": "beam", "width": 2}])
def test_a_model_whose_logits_are_no_numbers_is_told(choice: Any) -> None:
    model = Summing()
    with torch.no_grad():
        model.table[3] = torch.nan
    writing = Writing(sampler_of(choice), 4)
    with pytest.raises(WorkError, match="the model's logits are no numbers"):
        list(generate_texts(model, ByteTokenizer(), left_padded([[1, 2], [3]], END), writing))


@pytest.mark.parametrize("weights", [[torch.nan, 1.0], [1.0, torch.nan], [0.0, 0.0], [torch.inf, 1.0]])
def test_from_no_distribution_no_token_is_drawn(weights: list[float]) -> None:
    rows = torch.tensor([[0.5, 0.5], weights])
    with pytest.raises(WorkError, match="no token can be drawn"):
        draw_from(rows, torch.Generator().manual_seed(0))


def test_logits_that_a_filter_makes_infinite_are_told() -> None:
    writing = Writing(sampler_of({"use": "repetition_penalty", "penalty": 1e-310}), 4)
    with pytest.raises(WorkError, match="a knob of the sampler is so large or small"):
        list(generate_texts(Summing(), ByteTokenizer(), left_padded([[1, 2, 3, 4, 5, 6]], END), writing))
