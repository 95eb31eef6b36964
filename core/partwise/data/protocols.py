"""What data and tokenizers must offer: texts in pieces, and their way to token ids and back. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Split = Literal["train", "valid", "test"]
"""The texts to learn from, to choose by while training, and to judge by in the end."""
Form = Literal["stream", "examples"]
"""Running text of which models see windows, or examples, each read whole in one row."""


class Tokenizer(Protocol):
    """Text to token ids and back.

    One whose texts begin otherwise than with `end`, or end in several ways, has more attributes: `begin`, `ends` and
    the others of `Marks`, which says what holds where they are missing. One whose special tokens have names that may
    stand in prompts has `encode_special(text)`: the ids of a text in which these names are those tokens.

    One that is to encode large data at the machine's pace has `encode_array(texts)`: the ids of many texts, one after
    the other in an array of uint16, uint32 or int64, and an array of int64 with the number of ids of each. They are
    those of `encode`. It is called by several threads at once, so it should do without Python's global lock most of the
    time. One that needs the lock does better without `encode_array`: then several processes encode, if its class has
    `from_json(saved)`, the inverse of `to_json`. If it has anything to say of how it does that, it says so in a text
    called `encoding_note` (else None).
    """

    @property
    def vocab_size(self) -> int:
        """Number of ids; every id is below it."""
        ...

    @property
    def end(self) -> int:
        """Id of the special token that ends a text and, without a `begin`, begins the next. No text encodes to it."""
        ...

    @property
    def unknown(self) -> int | None:
        """Id that stands for text the vocabulary lacks; None if it lacks nothing."""
        ...

    @property
    def unknown_bits(self) -> float | None:
        """Bits that a code without a model takes to spell out one unknown; None if there is no such code."""
        ...

    @property
    def lossless(self) -> bool:
        """Whether `decode(encode(text)) == text` for every text without an unknown."""
        ...

    def encode(self, text: str) -> list[int]:
        """Ids of a text. The name of a special token is text like any other; lone surrogates become U+FFFD."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens."""
        ...

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes that one id adds to a text; joined, they are the text. Special tokens add none."""
        ...

    def label(self, token: int) -> str:
        """A token for people to read, special tokens included: "the", "<|end|>"."""
        ...

    def to_json(self) -> dict[str, Any]:
        """All that is needed to restore the tokenizer, as JSON values; see `TokenizerPart.restore`."""
        ...


@dataclass(frozen=True)
class Piece:
    """A segment of text whose tokens are either targets (`scored`) or only read."""

    text: str
    scored: bool = True
    read: bool = True
    """False for a label: one token, predicted after the token before it, which no model reads (sequence tagging). What
    follows a label cannot be scored, for nothing stands where it would be predicted. Only in examples, and not in pairs
    for an encoder and a decoder."""
    special: bool = False
    """True for a special token: `text` is its name, such as "<|fim_middle|>", which the part that makes the data names
    in its `specials()`. It adds nothing to the text. Elsewhere such a name is text like any other."""
    named: bool = False
    """Whether the names of special tokens in it are those tokens, as far as the tokenizer has them; elsewhere they are
    text. Only in examples."""


@dataclass(frozen=True)
class Example:
    """One text of a data set, in pieces. A pair has two: a source that is read, and a target that is scored."""

    pieces: tuple[Piece, ...]
    ends: bool = True
    """False if the next example continues the same text: this is how a huge file comes in small portions."""


@dataclass(frozen=True)
class GivenIds:
    """A file of token ids that others have made, which are used as they are."""

    ids: Any
    """[N] array of whole numbers, usually a memory map."""
    place: str
    """Where they are, for messages."""
    changed: tuple[Any, ...] | None = None
    """What changes when the content may have, such as name, size and date; the array is then counted only once."""
    advice: Callable[[int], str] = lambda limit: ""
    """What may be wrong if an id is not below `limit`, for messages."""


@dataclass(frozen=True)
class Member:
    """One of the sources of a mixture."""

    data: Data
    weight: float
    """Share of the tokens trained on, in proportion to the other weights. With 0 it is evaluated only."""


class Data(Protocol):
    """Texts, in three splits that have none in common.

    Data that are drawn from several sources have a further attribute `members`, of `Member` by name; their `examples`
    are those of all members, one after the other. Data that are token ids already have a method
    `ids(split) -> Sequence[GivenIds]`; their `examples` are texts to train a tokenizer on, if there are any. Data whose
    examples lose their ends where they are longer than the context of a model of sequences, which is an error
    otherwise, have an attribute `cuts` that is true. Data with a method `listed() -> bool` say whether their `identity`
    is known without reading much, so that `partwise check` may ask for it.
    """

    @property
    def form(self) -> Form:
        """Either "stream", running text of which models see windows, or "examples", each read whole in one row."""
        ...

    def examples(self, split: Split) -> Iterator[Example]:
        """The texts of a split, in a fixed order, from the start at each call."""
        ...

    def identity(self) -> str:
        """A string that changes whenever what `examples` yields changes; part of the key of the cache entry."""
        ...
