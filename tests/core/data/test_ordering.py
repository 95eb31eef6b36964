"""The order of an epoch: a permutation, and one that looks like chance."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.data.ordering import ROUNDS, keys_of, permuted


def order(count: int, seed: int, epoch: int) -> list[int]:
    keys = keys_of(seed, np.full(count, epoch), ROUNDS)
    return permuted(np.arange(count), count, keys).tolist()


@settings(max_examples=200)
@given(count=st.integers(1, 300), seed=st.integers(0, 2**40), epoch=st.integers(0, 10**6))
def test_every_number_comes_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(order(count, seed, epoch)) == list(range(count))


def test_a_place_is_found_without_the_others() -> None:
    count = 10**9
    keys = keys_of(1, np.array([0, 0, 1]), ROUNDS)
    first = permuted(np.array([5, 7, 5]), count, keys)
    again = permuted(np.array([7]), count, keys_of(1, np.array([0]), ROUNDS))
    assert first[1] == again[0]
    assert len({*first.tolist()}) == 3
    assert first.max() < count


def test_every_number_is_first_and_follows_every_other_about_equally_often() -> None:
    count, epochs = 5, 4000
    orders = np.array([order(count, 3, epoch) for epoch in range(epochs)])
    for place in range(count):
        assert (
            np.abs(np.bincount(orders[:, place], minlength=count) - epochs / count).max() < 5 * (epochs / count) ** 0.5
        )
    pairs = np.zeros((count, count))
    np.add.at(pairs, (orders[:, :-1].ravel(), orders[:, 1:].ravel()), 1)
    expected = epochs * (count - 1) / (count * (count - 1))
    assert np.abs(pairs[~np.eye(count, dtype=bool)] - expected).max() < 5 * expected**0.5


def test_numbers_that_were_close_are_spread_over_the_epoch() -> None:
    found = np.array(order(10_000, 0, 0))
    assert abs(np.corrcoef(np.arange(10_000), found)[0, 1]) < 0.04  # 4 standard errors of independent numbers
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.04
