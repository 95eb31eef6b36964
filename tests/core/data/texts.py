"""Small data and a small tokenizer to encode with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from partwise.data import Example, Piece, Split

END = 256


class Bytes:
    """A tokenizer of bytes, some of which it may not know."""

    vocab_size = 258
    end = END
    unknown: int | None = None
    unknown_bits: float | None = None
    lossless = True

    def __init__(self, strange: bytes = b"", bits: float | None = None) -> None:
        self.strange = strange
        if strange:
            self.unknown, self.unknown_bits = 257, bits

    def encode(self, text: str) -> list[int]:
        return [257 if byte in self.strange else byte for byte in text.encode("utf-8", "replace")]

    def decode(self, ids: list[int]) -> str:
        return bytes(token for token in ids if token < 256).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        return bytes([token]) if token < 256 else b""

    def label(self, token: int) -> str:
        return str(token)

    def to_json(self) -> dict[str, Any]:
        return {"strange": list(self.strange), "bits": self.unknown_bits}


class Texts:
    """Data that counts how often it is read."""

    def __init__(
        self, examples: list[Example], form: Literal["stream", "examples"] = "stream", name: str = "a"
    ) -> None:
        self.given = examples
        self.form = form
        self.name = name
        self.readings = 0

    def examples(self, split: Split) -> Iterator[Example]:
        self.readings += 1
        return iter(self.given)

    def identity(self) -> str:
        return self.name


def stream(*texts: str) -> Texts:
    return Texts([Example((Piece(text),)) for text in texts])


PAIR = Example((Piece("ab", scored=False), Piece("cde")))
QUERIES = Example((Piece("k", scored=False), Piece("v"), Piece("l", scored=False), Piece("w"), Piece("", scored=False)))
