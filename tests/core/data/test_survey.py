"""The figures of a split, counted or told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from partwise.data import Example, Piece, Split, Survey, survey

from .texts import Texts

words = st.text("aé漢", max_size=5)


@given(texts=st.lists(st.lists(words, min_size=1, max_size=3), max_size=12))
def test_running_text_is_counted_whatever_its_portions(texts: list[list[str]]) -> None:
    examples = [
        Example((Piece(portion),), ends=number == len(text) - 1)
        for text in texts
        for number, portion in enumerate(text)
    ]
    whole = ["".join(text) for text in texts]
    sizes = [len(text.encode()) for text in whole]
    expected = Survey(len(whole), sum(sizes), max(sizes, default=0), len(whole) - len(set(whole)))
    assert survey(Texts(examples, "stream"), "train") == expected


def test_examples_are_told_apart_by_their_pieces() -> None:
    pairs = [("ab", "c"), ("a", "bc"), ("ab", "c"), ("ab", "d")]
    examples = [Example((Piece(source, scored=False), Piece(target))) for source, target in pairs]
    assert survey(Texts(examples, "examples"), "train") == Survey(4, 12, 3, 1)
    unlike = [Example((Piece("ab", scored=scored), Piece("c"))) for scored in (True, False)]
    assert survey(Texts(unlike, "examples"), "train").repeated == 0


class Knowing:
    """Data that is not to be read."""

    form: Literal["stream", "examples"] = "stream"

    def examples(self, split: Split) -> Iterator[Example]:
        raise AssertionError(split)

    def identity(self) -> str:
        return ""

    def survey(self, split: Split) -> Survey:
        return Survey(1, 2, 3, 4, {split: 5})


def test_data_that_knows_its_figures_is_not_read() -> None:
    assert survey(Knowing(), "valid") == Survey(1, 2, 3, 4, {"valid": 5})
