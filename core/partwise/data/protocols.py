"""What data and tokenizers promise. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Split = Literal["train", "valid", "test"]


class Tokenizer(Protocol):
    """Text to token ids and back."""

    @property
    def vocab_size(self) -> int:
        """Number of ids; every id is below it."""
        ...

    @property
    def end(self) -> int:
        """Id of the special token that ends a text, and begins one. No text encodes to it."""
        ...

    @property
    def unknown(self) -> int | None:
        """Id that stands for what the vocabulary lacks; None if it lacks nothing."""
        ...

    @property
    def unknown_bits(self) -> float | None:
        """Bits it takes to spell out what one unknown stands for, by a code that needs no model; None if it cannot."""
        ...

    @property
    def lossless(self) -> bool:
        """Whether `decode(encode(text)) == text` for every text without an unknown."""
        ...

    def encode(self, text: str) -> list[int]:
        """Ids of a text. The text of a special token is text like any other; lone surrogates become U+FFFD."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; special tokens are left out."""
        ...

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes that one id adds to a text: a streaming decoder joins them. Special tokens add none."""
        ...

    def label(self, token: int) -> str:
        """A token as people read it, special tokens included: "the", "<|end|>"."""
        ...

    def to_json(self) -> dict[str, Any]:
        """All that is needed to restore the tokenizer, as JSON values; see `TokenizerPart.restore`."""
        ...


@dataclass(frozen=True)
class Piece:
    """A stretch of text that is either learned (`scored`) or only read."""

    text: str
    scored: bool = True


@dataclass(frozen=True)
class Example:
    """One text of a data set, in pieces. A pair of source and target is a read and a scored piece."""

    pieces: tuple[Piece, ...]
    ends: bool = True
    """False if the next example continues the same text: how a huge file comes in small portions."""


class Data(Protocol):
    """Texts, in three splits that share none."""

    @property
    def form(self) -> Literal["stream", "examples"]:
        """stream: running text, of which models see windows. examples: each is seen whole, in a row of its own."""
        ...

    def examples(self, split: Split) -> Iterator[Example]:
        """The texts of a split, in a fixed order, from the start at each call."""
        ...

    def identity(self) -> str:
        """Changes whenever what `examples` yields changes; names the cache of encoded texts."""
        ...
