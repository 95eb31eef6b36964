"""What a split of a data set holds: how many texts, how long, and how many of them are repeated."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from .protocols import Data, Split


@dataclass(frozen=True)
class Survey:
    """Figures of a split. A text is a document of running text, or an example."""

    texts: int
    bytes: int
    """UTF-8 bytes of all texts, whether scored or only read."""
    longest: int
    """Bytes of the longest text."""
    repeated: int
    """Texts that repeat another one of the split."""
    more: Mapping[str, int] = field(default_factory=dict)
    """Further figures, by what they count: "left out: empty"."""


@runtime_checkable
class Surveyed(Protocol):
    """Data that knows more of its splits than its examples tell, or knows it without reading them again."""

    def survey(self, split: Split) -> Survey:
        """The figures of a split."""
        ...


def survey(data: Data, split: Split) -> Survey:
    """The figures of a split: those that the data knows, else counted by reading it once."""
    return data.survey(split) if isinstance(data, Surveyed) else counted(data, split)


def counted(data: Data, split: Split) -> Survey:
    """The figures of a split, from reading it once."""
    size = longest = this = 0
    hashes, content = array("Q"), hashlib.sha256()
    for example in data.examples(split):
        for piece in example.pieces:
            raw = piece.text.encode("utf-8", "surrogatepass")
            this += 0 if piece.special else len(raw)
            # Portions of one text are joined; pieces of an example are told apart.
            content.update(raw if data.form == "stream" else b"%d %d %d " % (piece.scored, piece.read, len(raw)) + raw)
        if example.ends:
            size, longest, this = size + this, max(longest, this), 0
            hashes.append(int.from_bytes(content.digest()[:8], "big"))
            content = hashlib.sha256()
    return Survey(len(hashes), size, longest, len(hashes) - len(set(hashes)))
