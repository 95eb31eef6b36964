"""The base of all tokenizers here: a table of the bytes that each id adds to a text, and the end token."""

from __future__ import annotations

import re
from collections.abc import Sequence

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


class TokenTable:
    """Base of the tokenizers: ids back to text. A subclass adds `encode` and `to_json`.

    The special token that ends a text adds no bytes to a text, and no text encodes to it.
    """

    unknown: int | None = None
    unknown_bits: float | None = None
    lossless: bool = True

    def __init__(self, tokens: Sequence[bytes], end: int | None = None) -> None:
        """`tokens` are the UTF-8 bytes of the ids from 0; they may split a character. The end token is one more
        id, after them, unless `end` says which of them it is (which should then have no bytes)."""
        self._bytes = [*tokens, b""] if end is None else list(tokens)
        self.end = len(tokens) if end is None else end
        self.vocab_size = len(self._bytes)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, without special tokens; bytes that are no UTF-8 become U+FFFD."""
        return b"".join(map(self._bytes.__getitem__, ids)).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes that one id adds to a text."""
        return self._bytes[token]

    def label(self, token: int) -> str:
        """A token as people read it; bytes that are no UTF-8 of their own are written `\\xe2`."""
        if token == self.end:
            return END
        if token == self.unknown:
            return UNKNOWN
        return self._bytes[token].decode("utf-8", "backslashreplace")
