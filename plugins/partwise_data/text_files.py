"""Running text from documents of any size, each in one split; only a long one is cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from pathlib import Path
from typing import Literal

from partwise import InputError
from partwise.data import Example, Piece, Split
from partwise.storage import decode_text
from partwise.wording import many

from .cutting import cut_near
from .documents import Document, documents_in
from .files import content_hash
from .holding_out import empty_split
from .splits import Shares, digest

PORTION = 1 << 20
"""Bytes read at a time."""
CUT_ABOVE = 1_000_000
"""Bytes above which a document is cut, unless said otherwise."""


class TextFiles:
    """A stream of documents, each in the split that a hash of its text says: no other document moves it, and equal
    documents are together.

    A document above `cut_above` bytes is cut at its end instead: first comes the part to train on, then the part to
    validate on, then the part to test on. So is a document that is the only one.

    A split with files of its own takes all of those; its share should then be 0. What stands in them is not trained on.
    """

    form: Literal["stream", "examples"] = "stream"

    def __init__(
        self,
        files: Sequence[Path],
        shares: Shares,
        own_files: Mapping[Split, Sequence[Path]] | None = None,
        field: str = "text",
        cut_above: int = CUT_ABOVE,
        portion: int = PORTION,
    ) -> None:
        self.files = tuple(files)
        self.shares = shares
        self.own_files = {split: tuple(paths) for split, paths in (own_files or {}).items() if paths}
        self.field = field
        self.cut_above = cut_above
        self.portion = portion

    def examples(self, split: Split) -> Iterator[Example]:
        try:
            self._check()
            if split in self.own_files:
                for document in documents_in(self.own_files[split], self.field):
                    yield from self._read(document, 0, document.size)
                return
            for document in self._shared():
                start, stop = self._section(document, split)
                yield from self._read(document, start, stop)
        except OSError as error:
            raise InputError(f"cannot read {error.filename}: {error.strerror}") from error

    def identity(self) -> str:
        groups = [self.files, self.own_files.get("valid", ()), self.own_files.get("test", ())]
        contents = [[(path.suffix.lower(), content_hash(path)) for path in group] for group in groups]
        shares = (self.shares.valid, self.shares.test)
        return digest("text", 2, *shares, self.field, self.cut_above, self.portion, contents)

    def _shared(self) -> Iterator[Document]:
        """The documents of `files` that are in no file of a split's own."""
        for document in documents_in(self.files, self.field):
            if not self._held_out or document.key not in self._held_out:
                yield document

    @cached_property
    def _held_out(self) -> frozenset[str]:
        return frozenset(
            document.key for paths in self.own_files.values() for document in documents_in(paths, self.field)
        )

    @cached_property
    def _alone(self) -> bool:
        """Whether there is only one document."""
        documents = self._shared()
        return next(documents, None) is not None and next(documents, None) is None

    def _section(self, document: Document, split: Split) -> tuple[int, int]:
        """The stretch of a document that is in a split; an empty one if none of it is."""
        size = document.size
        held_out = self.shares.valid + self.shares.test
        if not held_out:
            return (0, size) if split == "train" else (size, size)
        if size <= self.cut_above and not self._alone:
            return (0, size) if self.shares.split_of(document.key) == split else (size, size)
        with document.open() as file:
            valid = cut_near(file, round(size * (1 - held_out)), size)
            test = cut_near(file, max(valid + bool(self.shares.valid), round(size * (1 - self.shares.test))), size)
        return {"train": (0, valid), "valid": (valid, test), "test": (test, size)}[split]

    def _read(self, document: Document, start: int, stop: int) -> Iterator[Example]:
        if start >= stop:
            return
        path = document.path
        with document.open() as file:
            file.seek(start)
            while start < stop:
                raw = file.read(min(self.portion, stop - start))
                if not raw:
                    raise InputError(f"{path} became shorter while it was read; start again once it has settled")
                if start + len(raw) < stop:
                    raw = raw[: _last_break(raw)]
                    file.seek(start + len(raw))
                text = raw.decode() if document.text is not None else decode_text(raw, str(path), start, path)
                start += len(raw)
                yield Example((Piece(text),), ends=start >= stop)

    def _check(self) -> None:
        """
        Raises:
            InputError: a split that should hold something is empty.
        """
        if self._checked is not None:
            raise InputError(self._checked)

    @cached_property
    def _checked(self) -> str | None:
        """What is wrong with the splits. Stops reading as soon as each of them has a document."""
        wanted = self.shares.wanted - self.own_files.keys()
        found, keys = set[Split](), list[str]()
        for document in self._shared():
            keys.append(document.key)
            found |= {split for split in wanted if _length(self._section(document, split))}
            if found >= wanted:
                return None
        for document in self._shared():
            for _ in self._read(document, 0, document.size):
                pass  # that it is no text at all matters more than how little there is
        if self._alone:
            return self._too_short_to_cut(next(self._shared()).size)
        return empty_split(sorted(wanted - found), keys, self.shares, "document", self._ways_out(wanted - found))

    def _too_short_to_cut(self, size: int) -> str:
        return (
            f"there is one document, of {many(size, 'byte')}, whose end is held out: too little for a share of "
            f"{self.shares.valid:g} to validate on and {self.shares.test:g} to test on; give it more text, or name "
            'files of their own in "valid_files" and "test_files", or set a share to 0'
        )

    def _ways_out(self, empty: AbstractSet[Split]) -> Iterator[str]:
        for split in sorted(empty - {"train"}):
            yield f'name files of its own in "{split}_files", and set "{split}" to 0'
        longest = max((document.size for document in self._shared()), default=0)
        if 1 < longest <= self.cut_above:
            yield f'set "cut_above" below {longest}, the bytes of the longest, so that its end is held out'


def _length(section: tuple[int, int]) -> int:
    return section[1] - section[0]


def _last_break(raw: bytes) -> int:
    """Number of bytes before the last line or, if there is only one line, before its last character."""
    newline = raw.rfind(b"\n")
    if newline >= 0:
        return newline + 1
    last = len(raw) - 1
    while last > len(raw) - 4 and 0x80 <= raw[last] < 0xC0:
        last -= 1
    return last if last > 0 else len(raw)
