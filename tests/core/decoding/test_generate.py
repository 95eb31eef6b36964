"""Writing token by token, against reading the whole text anew for each token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from partwise import InputError
from partwise.data import Batch
from partwise.decoding import Decoder, generate_text, generate_texts, left_padded, source_prompt, text_prompt
from partwise.modules import Decoding

V, END = 7, 0


class Summing(nn.Module):
    """A cached model: logits from the last token, and from all real tokens (of the source, too) weighted by place.

    `forgets` makes it start from nothing at `begin`, as real models do, so that a window shows.
    """

    context = 6
    vocabulary = V

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.table = nn.Parameter(torch.randn(V, V, generator=generator, dtype=torch.float64))
        self.begun: list[Batch] = []
        self.dropout = nn.Dropout(0.5)

    def full(self, tokens: list[int], source: list[int] | None = None) -> Tensor:
        """Logits [V] after `tokens`, written out."""
        logits = self.table[tokens[-1]].clone()
        for place, token in enumerate(tokens):
            logits += self.table[token].roll(1) * (place + 1) / 10
        for token in source or []:
            logits += self.table[token].roll(2)
        return logits.detach()

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        self.begun.append(prompt)
        B, T = prompt.tokens.shape
        real = torch.ones(B, T, dtype=torch.bool) if prompt.padding is None else prompt.padding
        positions = real.long().cumsum(1)
        past = (self.table.roll(1, 1)[prompt.tokens] * (positions * real)[:, :, None] / 10).sum(1)
        if prompt.source is not None:
            kept = torch.ones_like(prompt.source) if prompt.source_padding is None else prompt.source_padding
            past = past + (self.table.roll(2, 1)[prompt.source] * kept[:, :, None]).sum(1)
        decoding = Decoding([{"past": past.clone()}], T, room, positions=positions[:, -1].clone())
        return self.dropout(self.table[prompt.tokens[:, -1]] + past), decoding

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        assert decoding.length < decoding.room
        decoding.length += 1
        decoding.positions += 1
        past = decoding.states[0]["past"]
        past += self.table.roll(1, 1)[tokens] * decoding.positions[:, None] / 10
        return self.dropout(self.table[tokens] + past)


@pytest.fixture
def model() -> Summing:
    return Summing().eval()


class Script:
    """A sampler that writes given rows."""

    def __init__(self, columns: list[list[int]]) -> None:
        self.columns = columns

    def generate(self, decoder: Decoder, limit: int, generator: torch.Generator) -> Iterator[Tensor]:
        for column in self.columns[:limit]:
            tokens = torch.tensor(column)
            yield tokens
            decoder.advance(tokens)


class ByteTokenizer:
    """Token n stands for the n-th of a list of byte strings; 0 is the end."""

    vocab_size, end, unknown, unknown_bits, lossless = V, END, None, None, True
    bytes_of = (b"", b"a", b"b", b"\xe2\x82", b"\xac", b"\xff", b" c")

    def encode(self, text: str) -> list[int]:
        return [{"a": 1, "b": 2}[char] for char in text]

    def token_bytes(self, token: int) -> bytes:
        return self.bytes_of[token]


# --- the decoder


def test_logits_are_those_of_the_whole_text(model: Summing) -> None:
    decoder = Decoder(model, left_padded([[1, 2]], END), END, 6)
    text = [1, 2]
    for token in (3, 4, 5):
        assert torch.allclose(decoder.logits[0], model.full(text))
        decoder.advance(torch.tensor([token]))
        text.append(token)
    assert torch.allclose(decoder.logits[0], model.full(text))


def test_rows_of_unequal_length_go_on_as_each_would_alone(model: Summing) -> None:
    texts = [[1], [2, 3, 4], [5, 6]]
    decoder = Decoder(model, left_padded(texts, END), END, 6)
    decoder.advance(torch.tensor([4, 5, 6]))
    for row, (text, token) in enumerate(zip(texts, (4, 5, 6), strict=True)):
        assert torch.allclose(decoder.logits[row], model.full([*text, token]))


def test_a_full_window_starts_anew_from_its_last_half(model: Summing) -> None:
    decoder = Decoder(model, left_padded([[1]], END), END, 6)
    text = [1]
    for token in (2, 3, 4, 5, 6, 1, 2, 3, 4, 5):
        decoder.advance(torch.tensor([token]))
        text.append(token)
        if len(text) == 6:
            assert torch.allclose(decoder.logits[0], model.full(text)), "full, but not beyond"
        elif len(text) == 7:
            assert torch.allclose(decoder.logits[0], model.full(text[-3:])), "only 3 of 6 are left"
        elif len(text) == 10:
            assert torch.allclose(decoder.logits[0], model.full(text[-6:])), "and the window fills up again"
    assert torch.allclose(decoder.logits[0], model.full(text[-3:]))
    assert len(model.begun) == 3


@pytest.mark.parametrize("room", [3, 4, 5, 6])
def test_padding_leaves_the_window_with_the_tokens_beside_it(model: Summing, room: int) -> None:
    texts = [[1], [2, 3, 4]]
    decoder = Decoder(model, left_padded(texts, END), END, room)
    for token in (4, 5, 6, 1, 2):
        begun = len(model.begun)
        decoder.advance(torch.tensor([token, token]))
        texts = [[*text, token] for text in texts]
        if len(model.begun) > begun:
            texts = [text[-(room // 2) :] for text in texts]
        for row, text in enumerate(texts):
            assert torch.allclose(decoder.logits[row], model.full(text))


def test_room_for_one_token_sees_one_token(model: Summing) -> None:
    decoder = Decoder(model, left_padded([[1, 2]], END), END, 1)
    assert torch.allclose(decoder.logits[0], model.full([2]))
    decoder.advance(torch.tensor([5]))
    assert torch.allclose(decoder.logits[0], model.full([5]))


def test_of_a_prompt_longer_than_the_room_the_last_tokens_are_read(model: Summing) -> None:
    decoder = Decoder(model, left_padded([[1, 2, 3, 4, 5], [6, 5, 4]], END), END, 4)
    assert torch.allclose(decoder.logits[0], model.full([2, 3, 4, 5]))
    assert torch.allclose(decoder.logits[1], model.full([6, 5, 4]))


def test_reordered_rows_go_on_with_the_other_rows_text_beyond_the_window_too(model: Summing) -> None:
    decoder = Decoder(model, left_padded([[1], [2, 3]], END), END, 4)
    decoder.reorder(torch.tensor([1, 0, 1]))
    texts = [[2, 3], [1], [2, 3]]
    for column in ([4, 5, 6], [1, 2, 3]):
        assert torch.allclose(decoder.logits, torch.stack([model.full(text) for text in texts]))
        decoder.advance(torch.tensor(column))
        texts = [[*text, token] for text, token in zip(texts, column, strict=True)]
    decoder.reorder(torch.tensor([2, 1]))
    texts = [texts[2], texts[1]]
    decoder.advance(torch.tensor([5, 5]))
    assert torch.allclose(decoder.logits, torch.stack([model.full([*text, 5][-2:]) for text in texts]))


def test_a_model_with_a_source_must_end_when_its_states_are_full(model: Summing) -> None:
    prompt = Batch(torch.tensor([[END]]), torch.tensor([[END]]), source=torch.tensor([[3, 4]]))
    decoder = Decoder(model, prompt, END, 3)
    text = [END]
    for token in (1, 2):
        assert torch.allclose(decoder.logits[0], model.full(text, [3, 4]))
        decoder.advance(torch.tensor([token]))
        text.append(token)
    assert torch.allclose(decoder.logits[0], model.full(text, [3, 4]))
    for _ in range(2):
        decoder.advance(torch.tensor([5]))
        assert decoder.logits[0].softmax(0).tolist() == [1.0] + [0.0] * (V - 1)


def test_no_room_or_no_token_is_an_input_error(model: Summing) -> None:
    with pytest.raises(InputError, match="room is 0"):
        Decoder(model, left_padded([[1]], END), END, 0)
    with pytest.raises(InputError, match="a token to begin with"):
        Decoder(model, Batch(torch.empty(1, 0, dtype=torch.int64), torch.empty(1, 0)), END, 3)


def test_nothing_is_recorded_for_gradients(model: Summing) -> None:
    decoder = Decoder(model, left_padded([[1]], END), END, 3)
    decoder.advance(torch.tensor([1]))
    assert not decoder.logits.requires_grad
    assert torch.is_grad_enabled()


# --- prompts


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


# --- text


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
