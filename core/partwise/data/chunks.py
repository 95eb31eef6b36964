"""Texts in chunks: what is encoded at once. Where one chunk ends depends on the texts alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .protocols import Example, Form

CHUNK = 1 << 21
"""Characters after which a chunk is full; the piece that fills it is still in it."""


@dataclass
class Chunk:
    """Some pieces of a split, one after the other, each with what is known of it before it is encoded."""

    form: Form
    continues: bool
    """Whether the first piece goes on with a text that the chunk before has begun; so only in a stream."""
    texts: list[str] = field(default_factory=list)
    scored: list[bool] = field(default_factory=list)
    """Whether the tokens of each piece are targets; those of running text always are."""
    read: list[bool] = field(default_factory=list)
    """False for a label."""
    special: list[bool] = field(default_factory=list)
    """True for a special token, whose name stands in the place of a text."""
    named: list[bool] = field(default_factory=list)
    """Whether names of special tokens in each piece are those tokens."""
    ends: list[bool] = field(default_factory=list)
    """Whether a text ends after each piece."""
    empty: list[int] = field(default_factory=list)
    """Indices of what is no piece, but the end of a text that has none (in this chunk)."""
    size: int = 0
    """Characters."""

    @property
    def is_open(self) -> bool:
        """Whether its last text goes on."""
        return not self.ends[-1] if self.ends else self.continues

    def add(self, example: Example) -> None:
        """Appends a text, or a portion of one."""
        for piece in example.pieces:
            self._append(piece.text, piece.scored or self.form == "stream", piece.read, piece.special, piece.named)
        if example.ends:
            self.end()

    def end(self) -> None:
        """Completes the text that is open; if none is, one of no piece begins here, and ends."""
        if not self.ends or self.ends[-1]:
            self.empty.append(len(self.texts))
            self._append("", True, True)
        self.ends[-1] = True

    def _append(self, text: str, scored: bool, read: bool, special: bool = False, named: bool = False) -> None:
        self.texts.append(text)
        self.scored.append(scored)
        self.read.append(read)
        self.special.append(special)
        self.named.append(named)
        self.ends.append(False)
        self.size += len(text)

    def raws(self) -> list[bytes]:
        """The pieces in UTF-8; special tokens add nothing."""
        pairs = zip(self.texts, self.special, strict=True)
        return [b"" if special else text.encode("utf-8", "surrogatepass") for text, special in pairs]

    def framed(self, raws: list[bytes]) -> bytes:
        """The pieces, given in UTF-8, with what separates them; equal for equal texts only."""
        empty = set(self.empty)
        frames: list[bytes] = []
        for index, (raw, scored, read, ends) in enumerate(zip(raws, self.scored, self.read, self.ends, strict=True)):
            if self.special[index]:
                frames.append(b"special %d %s " % (scored, self.texts[index].encode("utf-8", "surrogatepass")))
            elif index not in empty:
                frames += [b"named "] if self.named[index] else []
                frames += (b"%d %d " % (scored, len(raw)) if read else b"label %d " % len(raw), raw)
            if ends:
                frames.append(b"end ")
        return b"".join(frames)


def chunks_of(examples: Iterable[Example], form: Form) -> Iterator[Chunk]:
    """The texts in chunks. Running text is cut between two portions of a text, too; examples are kept whole."""
    chunk = Chunk(form, continues=False)
    for example in examples:
        chunk.add(example)
        if chunk.size >= CHUNK and (form == "stream" or not chunk.is_open):
            yield chunk
            chunk = Chunk(form, chunk.is_open)
    if chunk.is_open:
        chunk.end()
    if chunk.texts:
        yield chunk
