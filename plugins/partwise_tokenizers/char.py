"""Characters as tokens: the smallest vocabulary that reads as text, one Unicode code point per id."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np

from . import restoring
from .table import REPLACEMENT, Ids, TokenTable, without_surrogates

CODE_POINTS = 0x110000


def characters_of(texts: Iterable[str]) -> list[str]:
    """Every character that occurs, by code point."""
    found: set[str] = set()
    for text in texts:
        found.update(without_surrogates(text))
    return sorted(found)


class CharTokenizer(TokenTable):
    """One id per known character, then `<unk>`, then the end token.

    An unknown character decodes to U+FFFD. It is charged the bits of a uniform code over Unicode, so that bits per
    byte stay comparable with tokenizers that know every text.
    """

    unknown: int
    unknown_bits = math.log2(CODE_POINTS)

    def __init__(self, characters: Sequence[str]) -> None:
        super().__init__([character.encode() for character in (*characters, REPLACEMENT)])
        self.unknown = len(characters)
        self._characters = "".join(characters)
        self._ids = {character: index for index, character in enumerate(characters)}

    def encode(self, text: str) -> list[int]:
        """Ids of a text, one per character."""
        return list(map(self._ids.get, without_surrogates(text), repeat(self.unknown)))

    def encode_array(self, texts: Sequence[str]) -> tuple[Ids, Ids]:
        """Ids of all texts, one after the other, and the number of ids of each."""
        # Each surrogate is one character before and after it is replaced.
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        codes = np.frombuffer(without_surrogates("".join(texts)).encode("utf-32-le"), "<u4")
        return self._ids_by_code[codes], lengths

    @cached_property
    def _ids_by_code(self) -> Ids:
        ids = np.full(CODE_POINTS, self.unknown, np.uint32)
        ids[[ord(character) for character in self._characters]] = np.arange(len(self._characters))
        return ids

    def to_tokenizer_json(self) -> dict[str, Any]:
        """The tokenizer in the form of Hugging Face's tokenizers library."""
        from .huggingface_form import by_words

        return by_words(self._characters, r"[\s\S]", self.unknown, self.special_names(), None, {"type": "Fuse"})

    def to_json(self) -> dict[str, Any]:
        """The known characters, in order, as one text."""
        return {"characters": self._characters}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> CharTokenizer:
        """The tokenizer that `to_json` described.

        Raises:
            InputError: `saved` is not what `to_json` gives.
        """
        characters = restoring.field(saved, "characters", str)
        if not characters or len(set(characters)) < len(characters) or without_surrogates(characters) != characters:
            raise restoring.damaged("'characters' should be distinct characters, at least one")
        return cls(characters)
