"""What is counted and hashed of a split's texts while they are encoded."""

from __future__ import annotations

import hashlib
from typing import Any

from .protocols import Tokenizer


class TextFacts:
    """Counts and a hash of texts, updated piece by piece.

    A tokenizer that loses some texts (it normalises them, or keeps a sign for itself) may lose none of these: that is
    tried, until one is lost.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer, self._unknown = tokenizer, tokenizer.unknown
        self._lossless, self._tried, self._begins = True, not tokenizer.lossless, True
        self._hash = hashlib.sha256()
        self._scored_tokens = self._text_bytes = self._unknowns = 0

    def add_piece(self, text: str, ids: list[int], scored: bool, read: bool = True) -> None:
        raw = text.encode("utf-8", "surrogatepass")
        self._hash.update(b"%d %d " % (scored, len(raw)) if read else b"label %d " % len(raw))
        self._hash.update(raw)
        if scored:
            self._scored_tokens += len(ids)
            self._text_bytes += len(raw)
            self._unknowns += ids.count(self._unknown) if self._unknown is not None else 0
        if self._tried and self._lossless:
            self._lossless = self._comes_back(raw, ids)
        self._begins = False

    def _comes_back(self, raw: bytes, ids: list[int]) -> bool:
        if self._begins:  # where decoding may take a space away
            return self._tokenizer.decode(ids).encode("utf-8", "surrogatepass") == raw
        return b"".join(map(self._tokenizer.token_bytes, ids)) == raw

    def end_text(self, scored: bool) -> None:
        """The text is complete; `scored` says whether its end token is a target."""
        self._hash.update(b"end ")
        self._scored_tokens += scored
        self._begins = True

    def to_json(self) -> dict[str, Any]:
        """The fields of `EncodedSplit` of these names."""
        return {
            "scored_tokens": self._scored_tokens,
            "text_bytes": self._text_bytes,
            "unknowns": self._unknowns,
            "lossless": self._lossless,
            "data_hash": self._hash.hexdigest(),
        }
