"""Words that messages share."""

from __future__ import annotations

from partwise.wording import joined


def test_words_are_joined_as_a_sentence_does() -> None:
    assert [joined("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
