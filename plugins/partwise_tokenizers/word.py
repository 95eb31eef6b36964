"""Words as tokens: the vocabulary of most language models before subwords.

Texts are short and easy to read, but white space, rare words and, on request, capitals are lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import regex

from . import restoring
from .table import UNKNOWN, TokenTable, without_surrogates

# A number with inner points or commas; a word, inner apostrophes included; any other visible character.
_WORD = r"\p{N}+(?:[.,]\p{N}+)+|[\p{L}\p{M}\p{N}_]+(?:['’][\p{L}\p{M}\p{N}_]+)*|[^\s\p{L}\p{M}\p{N}_]"
_WORDS = regex.compile(_WORD)
_WORDS_AND_NEWLINES = regex.compile(rf"{_WORD}|\n")
_CLOSING = frozenset(".,;:!?%)]}…’”»\n")


def split(text: str, lowercase: bool, newlines: bool) -> list[str]:
    """The words, numbers and punctuation marks of a text; newlines too, if asked for."""
    text = without_surrogates(text).lower() if lowercase else without_surrogates(text)
    found: list[str] = (_WORDS_AND_NEWLINES if newlines else _WORDS).findall(text)
    return found


def frequent_words(counts: Counter[str], limit: int, min_count: int) -> list[str]:
    """At most `limit` words that occur at least `min_count` times: most frequent first, ties by code point."""
    frequent = [(-count, word) for word, count in counts.items() if count >= min_count]
    return [word for _, word in sorted(frequent)[:limit]]


def count_words(texts: Iterable[str], lowercase: bool, newlines: bool) -> Counter[str]:
    """How often each word occurs."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(split(text, lowercase, newlines))
    return counts


class WordTokenizer(TokenTable):
    """One id per known word, then `<unk>`, then the end token.

    Decoding puts a space before every word, and none before punctuation that closes or at the very start.
    """

    unknown: int
    lossless = False

    def __init__(self, words: Sequence[str], lowercase: bool, newlines: bool) -> None:
        super().__init__([_spaced(word).encode() for word in (*words, UNKNOWN)])
        self.unknown = len(words)
        self._words = list(words)
        self._lowercase = lowercase
        self._newlines = newlines
        self._ids = {word: index for index, word in enumerate(words)}

    def encode(self, text: str) -> list[int]:
        """Ids of a text, one per word."""
        return [self._ids.get(word, self.unknown) for word in split(text, self._lowercase, self._newlines)]

    def decode(self, ids: Sequence[int]) -> str:
        """The words of ids as running text."""
        return super().decode(ids).removeprefix(" ")

    def label(self, token: int) -> str:
        """A token as people read it, without its space."""
        return self._words[token] if token < self.unknown else super().label(token)

    def to_tokenizer_json(self) -> dict[str, Any]:
        """The tokenizer in the form of Hugging Face's tokenizers library, which knows no rule of lower case that looks
        at the neighbours of a letter (the Greek sigma at the end of a word)."""
        from .huggingface_form import by_words, joining_words

        regex = (_WORDS_AND_NEWLINES if self._newlines else _WORDS).pattern
        lowered = {"type": "Lowercase"} if self._lowercase else None
        decoder = joining_words(_CLOSING)
        return by_words(self._words, regex, self.unknown, self.special_names(), lowered, decoder)

    def to_json(self) -> dict[str, Any]:
        """The known words, in order, and how a text is split."""
        return {"words": self._words, "lowercase": self._lowercase, "newlines": self._newlines}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> WordTokenizer:
        """The tokenizer that `to_json` described.

        Raises:
            InputError: `saved` is not what `to_json` gives.
        """
        words = restoring.texts(saved, "words")
        return cls(words, restoring.field(saved, "lowercase", bool), restoring.field(saved, "newlines", bool))


def _spaced(word: str) -> str:
    return word if word in _CLOSING else f" {word}"
