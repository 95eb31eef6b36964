"""The base of all tokenizers here: a table of the bytes that each id adds to a text, and the end token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from partwise.data import Marks

Ids = npt.NDArray[Any]

END = "<|end|>"
UNKNOWN = "<unk>"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """The text with U+FFFD for every surrogate: they stand for nothing and have no UTF-8 form."""
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub(REPLACEMENT, text)
    return text


def joined(arrays: Iterable[Ids]) -> tuple[Ids, Ids]:
    """Arrays one after the other, and the length of each."""
    several = list(arrays)
    lengths = np.fromiter(map(len, several), np.int64, len(several))
    return np.concatenate(several, dtype=np.uint32) if several else np.empty(0, np.uint32), lengths


class TokenTable:
    """Base of the tokenizers: ids back to text. A subclass adds `encode` and `to_json`.

    The special token that ends a text adds no bytes to a text, and no text encodes to it.
    """

    unknown: int | None = None
    unknown_bits: float | None = None
    lossless: bool = True

    def __init__(self, tokens: Sequence[bytes], marks: Marks | None = None) -> None:
        """`tokens` are the UTF-8 bytes of the ids from 0; they may split a character. The end token is one more
        id, after them, unless `marks` say which of them it is (which should then have no bytes)."""
        self._bytes = [*tokens, b""] if marks is None else list(tokens)
        self.marks = Marks.plain(len(tokens)) if marks is None else marks
        self.vocab_size = len(self._bytes)

    @property
    def end(self) -> int:
        """Id of the token that ends a text."""
        return self.marks.end

    @property
    def begin(self) -> int:
        """Id of the token that begins a text."""
        return self.marks.begin

    @property
    def ends(self) -> tuple[int, ...]:
        """Ids that end a text that is written."""
        return self.marks.ends

    @property
    def before_prompt(self) -> tuple[int, ...]:
        """Ids that a prompt begins with."""
        return self.marks.before_prompt

    @property
    def start(self) -> int:
        """Id that the decoder of a model of pairs reads first."""
        return self.marks.start

    @property
    def before_source(self) -> tuple[int, ...]:
        """Ids that a source begins with."""
        return self.marks.before_source

    @property
    def after_source(self) -> tuple[int, ...]:
        """Ids that a source ends with."""
        return self.marks.after_source

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, without special tokens; bytes that are no UTF-8 become U+FFFD."""
        return b"".join(map(self._bytes.__getitem__, ids)).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes that one id adds to a text."""
        return self._bytes[token]

    def encode_special(self, text: str) -> list[int]:
        """Ids of a text in which the names of special tokens are those tokens; of two at one place, the longer."""
        names = {name: token for token, name in self.special_names().items()}
        ids: list[int] = []
        for part in re.split(f"({'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})", text):
            ids += [names[part]] if part in names else self.encode(part)
        return ids

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        raise NotImplementedError

    def special_names(self) -> dict[int, str]:
        """Names of the ids that add nothing to a text."""
        return {token: self.label(token) for token, added in enumerate(self._bytes) if not added}

    def label(self, token: int) -> str:
        """A token as people read it; bytes that are no UTF-8 of their own are written `\\xe2`."""
        if token == self.end:
            return END
        if token == self.unknown:
            return UNKNOWN
        return self._bytes[token].decode("utf-8", "backslashreplace")
