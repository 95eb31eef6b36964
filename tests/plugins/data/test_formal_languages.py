"""Formal languages against other ways to the same answers: regular expressions, Python's own arithmetic, matrices."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from partwise import PartError
from partwise.parts import DataPart, DataSite, resolve_part


def words(language: str, split: Any = "train", **knobs: Any) -> list[tuple[str, str]]:
    part = resolve_part(DataPart, {"use": "formal_language", "language": language, "size": 400, "valid": 50, "test": 50,
                                   "min_length": 5, "max_length": 15, "test_min_length": 16, "test_max_length": 31,
                                   **knobs})  # fmt: skip
    found = []
    for example in part.assemble(DataSite()).examples(split):  # type: ignore[attr-defined]
        asked, answer, _ = (piece.text for piece in example.pieces)
        found.append((asked.removesuffix("="), answer))
    return found


def test_even_pairs_are_words_that_end_as_they_begin() -> None:
    assert all((word[0] == word[-1]) == (answer == "y") for word, answer in words("even_pairs"))


def test_parity_is_that_of_a_regular_expression() -> None:
    even = re.compile("(a*ba*b)*a*")
    assert all(bool(even.fullmatch(word)) == (answer == "y") for word, answer in words("parity"))


def test_a_cycle_is_walked_step_by_step() -> None:
    for word, answer in words("cycle_navigation"):
        place = 0
        for step in word:
            place = [4, 0, 1, 2, 3][place] if step == "-" else [1, 2, 3, 4, 0][place] if step == "+" else place
        assert answer == str(place)


def test_expressions_have_the_value_that_python_gives_them() -> None:
    found = words("modular_arithmetic")
    assert all(answer == str(eval(word) % 5) for word, answer in found)
    assert {len(word) % 2 for word, _ in found} == {1}


@pytest.mark.parametrize(("group", "order"), [("s5", 120), ("a5", 60)])
def test_products_of_permutations_are_those_of_their_matrices(group: str, order: int) -> None:
    single = dict(words(group, min_length=1, max_length=1, size=25, valid=0, test=0))
    assert all(word == answer for word, answer in single.items()), "one element is its own product"
    pairs = words(group, min_length=2, max_length=4, size=3000)
    symbols = sorted({symbol for word, _ in pairs for symbol in word})
    assert len(symbols) == order
    from itertools import permutations

    elements = [p for p in permutations(range(5)) if group == "s5" or np.linalg.det(np.eye(5)[list(p)]) > 0]
    matrices = [np.eye(5)[list(one)] for one in elements]
    for word, answer in pairs[:300]:
        product = np.eye(5)
        for symbol in word:
            product = product @ matrices[symbols.index(symbol)]
        assert np.array_equal(product, matrices[symbols.index(answer)])


def test_the_test_split_is_longer_than_the_others() -> None:
    lengths = {split: {len(word) for word, _ in words("parity", split)} for split in ("train", "valid", "test")}
    assert max(lengths["train"] | lengths["valid"]) <= 15 < min(lengths["test"])
    assert max(lengths["test"]) <= 31


def test_short_words_repeat_only_if_asked_and_never_those_held_out() -> None:
    short = {"min_length": 1, "max_length": 20, "size": 2000, "valid": 20}
    different, repeating = (words("parity", repeats=repeats, **short) for repeats in (False, True))
    assert len(set(different)) == 2000 > len(set(repeating))
    of_four = [sum(len(word) == 4 for word, _ in found) for found in (different, repeating)]
    assert of_four[0] <= 16
    assert 60 < of_four[1] < 140, "a twentieth of the words, where they are drawn independently"
    assert not set(repeating) & set(words("parity", "valid", repeats=True, **short))


def test_words_that_repeat_need_no_variety() -> None:
    assert len(words("parity", min_length=3, max_length=4, size=100, valid=4, repeats=True)) == 100
    with pytest.raises(PartError, match=r"^valid 20 make 20 different examples.*at most 12"):
        words("parity", min_length=3, max_length=4, size=100, valid=20, repeats=True)


def labelled(language: str, split: Any) -> list[tuple[str, dict[int, str]]]:
    """Words, and by the length of a prefix the label that stands there."""
    part = resolve_part(DataPart, {"use": "formal_language", "language": language, "labels": "every_prefix", "size": 60,
                                   "valid": 9, "test": 9, "max_length": 9, "test_min_length": 10,
                                   "test_max_length": 13})  # fmt: skip
    found = []
    for example in part.assemble(DataSite()).examples(split):  # type: ignore[attr-defined]
        word, labels = "", {}
        for piece in example.pieces:
            if piece.read:
                assert not piece.scored
                word += piece.text
            else:
                labels[len(word)] = piece.text
        found.append((word, labels))
    return found


def test_a_label_at_every_prefix_is_the_answer_to_it() -> None:
    for word, labels in labelled("parity", "train"):
        assert labels == {n: "yn"[word[:n].count("b") % 2] for n in range(1, len(word) + 1)}
    for word, labels in labelled("modular_arithmetic", "train"):
        assert labels == {n: str(eval(word[:n]) % 5) for n in range(1, len(word) + 1, 2)}, "what ends in an operator"


def test_words_to_test_on_have_a_label_at_their_end_alone() -> None:
    found = labelled("parity", "test")
    assert [labels for _, labels in found] == [{len(word): "yn"[word.count("b") % 2]} for word, _ in found]


def test_words_with_labels_are_all_different() -> None:
    words = [word for split in ("train", "valid", "test") for word, _ in labelled("cycle_navigation", split)]
    assert len(set(words)) == len(words) == 78
