"""Beam search against a list of every text there is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from partwise.data import Batch
from partwise.decoding import Decoder
from partwise_sampling.beam import BeamSearch
from partwise_sampling.stepwise import Greedy

END = 0


def written(sampler: BeamSearch | Greedy, decoder: Decoder, limit: int) -> list[list[int]]:
    columns = list(sampler.generate(decoder, limit, torch.Generator()))
    return torch.stack(columns, 1).tolist()


def best_text(model: Any, prompt: int, limit: int, alpha: float) -> list[int]:
    """The text of most log-probability over ((5 + n) / 6) ** alpha."""
    worth = {text: score / ((5 + len(text)) / 6) ** alpha for text, score in model.texts(prompt, limit)}
    return list(max(worth, key=worth.__getitem__))


def until_end(row: list[int]) -> list[int]:
    return row[: row.index(END) + 1] if END in row else row


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 3.0])
@pytest.mark.parametrize("seed", range(8))
def test_a_wide_beam_finds_the_best_text_of_every_row(bigram: Callable[..., Any], seed: int, alpha: float) -> None:
    model = bigram(3, seed=seed)
    rows = written(BeamSearch(200, alpha), model.decoder([0, 1, 2]), 5)
    assert [until_end(row) for row in rows] == [best_text(model, prompt, 5, alpha) for prompt in (0, 1, 2)]


@pytest.mark.parametrize("alpha", [0.0, 2.0])
@pytest.mark.parametrize("seed", range(8))
def test_a_beam_of_one_is_greedy(bigram: Callable[..., Any], seed: int, alpha: float) -> None:
    model = bigram(5, seed=seed)
    greedy = written(Greedy(), model.decoder([1, 2, 3, 4]), 12)
    assert written(BeamSearch(1, alpha), model.decoder([1, 2, 3, 4]), 12) == greedy


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_searched_on_their_own(bigram: Callable[..., Any], seed: int) -> None:
    model, search = bigram(6, seed=seed), BeamSearch(3, 0.6)
    together = written(search, model.decoder([1, 2, 3]), 9)
    for row, prompt in zip(together, (1, 2, 3), strict=True):
        (alone,) = written(search, model.decoder([prompt]), 9)
        assert until_end(row) == until_end(alone)


def test_a_beam_finds_what_greedy_misses(bigram: Callable[..., Any]) -> None:
    model = bigram(4, seed=0, spread=0.0)
    model.table[1, 1] = torch.tensor([-9.0, 0.1, 0.0, -9.0])  # 1 looks a little better than 2 ...
    model.table[1, 2] = torch.tensor([9.0, 0.0, 0.0, 0.0])  # ... but 2 is sure to end
    assert written(Greedy(), model.decoder([1]), 2)[0][0] == 1
    assert written(BeamSearch(2, 0.0), model.decoder([1]), 2) == [[2, END]]


def test_it_stops_as_soon_as_nothing_better_can_come(bigram: Callable[..., Any]) -> None:
    model = bigram(4, seed=0, spread=0.0)
    model.table[..., END] = 9.0
    steps: list[int] = []
    decoder = model.decoder([1, 2])
    advance = decoder.advance
    decoder.advance = lambda tokens: (steps.append(1), advance(tokens))[0]
    assert written(BeamSearch(3, 0.0), decoder, 50) == [[END], [END]]
    assert not steps


def test_a_length_penalty_favours_longer_texts(bigram: Callable[..., Any]) -> None:
    model = bigram(3, seed=0, spread=0.0)
    model.table[1, 1] = torch.tensor([0.2, 0.0, -9.0])
    model.table[1, 1, END] = 0.2
    lengths = [len(written(BeamSearch(4, alpha), model.decoder([1]), 6)[0]) for alpha in (0.0, 5.0)]
    assert lengths[0] == 1
    assert lengths[1] > 1


def test_more_beams_than_continuations_are_no_trouble(bigram: Callable[..., Any]) -> None:
    model = bigram(2, seed=5)
    assert until_end(written(BeamSearch(64, 0.6), model.decoder([1]), 4)[0]) == best_text(model, 1, 4, 0.6)


def test_a_limit_of_nothing_writes_nothing(bigram: Callable[..., Any]) -> None:
    assert list(BeamSearch(2, 0.6).generate(bigram(3, seed=0).decoder([1]), 0, torch.Generator())) == []


def test_sources_are_searched_alike_and_end_when_the_states_are_full(bigram: Callable[..., Any]) -> None:
    model = bigram(4, seed=1)
    model.table[..., END] = -9.0
    ends = torch.full((2, 1), END)
    decoder = Decoder(model, Batch(ends, ends, source=torch.tensor([[1], [2]])), END, room=3)
    rows = written(BeamSearch(2, 0.6), decoder, 9)
    assert [row.index(END) for row in rows] == [3, 3]
    assert rows[0] != rows[1]


def test_text_beyond_the_window_is_remembered(bigram: Callable[..., Any]) -> None:
    """The model sees two tokens only, so a window of four changes nothing."""
    model = bigram(6, seed=9)
    model.table[..., END] = -9.0
    search = BeamSearch(3, 0.6)
    assert written(search, model.decoder([1], room=4), 12) == written(search, model.decoder([1], room=64), 12)


def repeats(text: Sequence[int]) -> bool:
    """A text stops with a token that it has twice in a row."""
    return len(text) > 1 and text[-1] == text[-2]


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_a_text_that_stops_counts_as_a_whole_one(bigram: Callable[..., Any], seed: int, alpha: float) -> None:
    """Against every text there is: those that stop or end, and those of full length; none goes on after a stop."""
    model = bigram(3, seed=seed)
    log_probabilities = model.table.log_softmax(-1)
    for prompt, row in zip(
        (1, 2), written(BeamSearch(200, alpha), model.decoder([1, 2], stops=repeats), 5), strict=True
    ):
        worth: dict[tuple[int, ...], float] = {}
        for length in range(1, 6):
            for text in itertools.product(range(3), repeat=length):
                over = [END in text[:n] or repeats(text[:n]) for n in range(1, length + 1)]
                if not any(over[:-1]) and (over[-1] or length == 5):
                    path = (prompt, prompt, *text)
                    steps = zip(path, path[1:], path[2:], strict=False)
                    score = sum(float(log_probabilities[step]) for step in steps)
                    worth[text] = score / ((5 + length) / 6) ** alpha
        best = max(worth, key=worth.__getitem__)
        assert row[: len(best)] == list(best)
        assert set(row[len(best) :]) <= {END}


def test_where_all_stop_at_once_the_search_is_over(bigram: Callable[..., Any]) -> None:
    model = bigram(5, seed=2)
    rows = written(BeamSearch(2, 0.6), model.decoder([1, 2], stops=lambda text: True), 9)
    assert [len(row) for row in rows] == [1, 1]
