"""Decoding token by token, against reading the whole text again for each token."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from partwise import InputError
from partwise.data import IGNORED, Batch
from partwise.decoding import Decoder, left_padded

from .writing import END, Summing, V


@pytest.fixture
def model() -> Summing:
    return Summing().eval()


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


def test_the_text_is_what_was_read_and_written_without_padding_and_without_what_was_forgotten(model: Summing) -> None:
    decoder = Decoder(model, left_padded([[1], [2, 3, 4]], END), END, 4)
    assert decoder.text.tolist() == [[IGNORED, IGNORED, 1], [2, 3, 4]]
    decoder.advance(torch.tensor([5, 6]))
    assert decoder.text.tolist() == [[IGNORED, IGNORED, 1, 5], [2, 3, 4, 6]]
    decoder.advance(torch.tensor([1, 2]))
    assert decoder.text.tolist() == [[5, 1], [6, 2]], "a window that was full begins anew with its last half"
    decoder.reorder(torch.tensor([1, 1, 0]))
    assert decoder.text.tolist() == [[6, 2], [6, 2], [5, 1]]


def test_a_text_stops_where_it_is_told_to(model: Summing) -> None:
    def repeats(text: Sequence[int]) -> bool:
        return list(text[-2:-1]) == list(text[-1:])

    texts = torch.tensor([[[1, 2, 2], [2, 2, 1]], [[4, 4, 4], [1, 2, 3]]])
    decoder = Decoder(model, left_padded([[1]], END), END, 4, stops=repeats)
    assert decoder.stopped(texts).tolist() == [[True, False], [True, False]]
    assert not Decoder(model, left_padded([[1]], END), END, 4).stopped(texts).any()
