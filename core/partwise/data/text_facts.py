"""What is counted and hashed of a split's texts while they are encoded."""

from __future__ import annotations

import hashlib
from typing import Any


class TextFacts:
    """Counts and a hash of texts, updated piece by piece. `unknown` is the id of the tokenizer's unknown token."""

    def __init__(self, unknown: int | None) -> None:
        self._unknown = unknown
        self._hash = hashlib.sha256()
        self._scored_tokens = self._text_bytes = self._unknowns = 0

    def add_piece(self, text: str, ids: list[int], scored: bool) -> None:
        raw = text.encode("utf-8", "surrogatepass")
        self._hash.update(b"%d %d " % (scored, len(raw)))
        self._hash.update(raw)
        if scored:
            self._scored_tokens += len(ids)
            self._text_bytes += len(raw)
            self._unknowns += ids.count(self._unknown) if self._unknown is not None else 0

    def end_text(self, scored: bool) -> None:
        """The text is complete; `scored` says whether its end token is a target."""
        self._hash.update(b"end ")
        self._scored_tokens += scored

    def to_json(self) -> dict[str, Any]:
        """The fields of `EncodedSplit` of these names."""
        return {
            "scored_tokens": self._scored_tokens,
            "text_bytes": self._text_bytes,
            "unknowns": self._unknowns,
            "data_hash": self._hash.hexdigest(),
        }
