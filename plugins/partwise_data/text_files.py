"""Running text from documents of any size, each in one split; only a long one is cut."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Literal

from partwise import InputError
from partwise.data import Example, Piece, Split, Survey
from partwise.wording import many

from .catalogue import catalogue_of, is_listed
from .cutting import cut_near
from .dividing import CUT, NONE, WITHHELD, Division, distinct, repeats
from .formats import format_of
from .found import Place
from .holding_out import empty_split, named, nothing_found
from .plain_text import PORTION
from .splits import Shares, digest

CUT_ABOVE = 1_000_000
"""Bytes above which a document is cut, unless said otherwise."""
REMEMBERED = 1 << 16
"""Documents of which it is remembered where they are cut."""
HELD_OUT: tuple[Split, ...] = ("valid", "test")


class TextFiles:
    """A stream of documents, each in the split that a hash of its text says: no other document moves it, and equal
    documents are together.

    A document above `cut_above` bytes is cut at its end instead: first comes the part to train on, then the part to
    validate on, then the part to test on. So is a document that is the only one.

    A split with files of its own takes all of those; its share should then be 0. What stands in them is not trained on.

    The first question lists all documents, for which every file is read once; a split is then read by itself.
    """

    form: Literal["stream", "examples"] = "stream"

    def __init__(
        self,
        files: Sequence[Path],
        shares: Shares,
        own_files: Mapping[Split, Sequence[Path]] | None = None,
        field: str = "text",
        separator: str | None = None,
        cut_above: int = CUT_ABOVE,
        portion: int = PORTION,
    ) -> None:
        self.files = tuple(files)
        self.shares = shares
        self.own_files = {split: tuple(paths) for split, paths in (own_files or {}).items() if paths}
        self.field = field
        self.separator = separator
        self.cut_above = cut_above
        self.portion = portion
        self._cuts: dict[tuple[int, int], tuple[int, int]] = {}

    def examples(self, split: Split) -> Iterator[Example]:
        self._check()
        division, of = self._division(split)
        for path, place, document in self._opened(division, division.places(of)):
            start, stop = self._section(place, document, of)
            if start < stop and not place.whole:  # otherwise it is at its beginning
                document.seek(start)
            yield from self._read(path, document, start, stop)

    def identity(self) -> str:
        divisions = [self._shared, *(self._own.get(split) for split in HELD_OUT)]
        texts = [one and one.listed.digest for one in divisions]
        return digest("text", 3, self.shares.valid, self.shares.test, self.cut_above, self.portion, texts)

    def listed(self) -> bool:
        groups = [self.files, *self.own_files.values()]
        return all(is_listed(files, self.field, self.separator) for files in groups)

    def survey(self, split: Split) -> Survey:
        """What is known of a split without reading it again."""
        self._check()
        division, of = self._division(split)
        count, size, longest = division.whole(of)
        sections = [stop - start for start, stop in self._sections(division, of) if stop > start]
        more = {"cut, with the rest in other splits": len(sections)}
        if split == "train" or split in self._own:
            more |= {"files": len(division.listed.files), "left out: empty": division.listed.empty}
            more |= {"with half a character, read as ?": division.listed.halves}
        if split == "train" and self._own:
            more |= {"left out: held out in other files": division.count(WITHHELD)}
        return Survey(
            texts=count + len(sections),
            bytes=size + sum(sections),
            longest=max([longest, *sections]),
            repeated=repeats(division, of),
            more=more,
        )

    def _division(self, split: Split) -> tuple[Division, Split]:
        """Where the documents of a split are listed, and as which."""
        return (self._own[split], "train") if split in self._own else (self._shared, split)

    @cached_property
    def _shared(self) -> Division:
        """The documents of `files`."""
        listed = catalogue_of(self.files, self.field, self.separator)
        held_out = distinct(hashes for own in self._own.values() for hashes in own.hashes())
        return Division(listed, self.shares, self.cut_above, held_out)

    @cached_property
    def _own(self) -> dict[Split, Division]:
        """The documents of files of a split's own: all in one split, called "train" here."""
        return {
            split: Division(catalogue_of(files, self.field, self.separator), Shares(0, 0), self.cut_above, NONE)
            for split, files in self.own_files.items()
        }

    def _opened(self, division: Division, places: Iterator[Place]) -> Iterator[tuple[Path, Place, BinaryIO]]:
        """Documents to be read, each until the next is asked for."""
        for number, in_file in groupby(places, lambda place: place.file):
            path = division.listed.files[number]
            division.listed.check_unchanged(number)
            try:
                for place, document in format_of(path, self.field, self.separator).read(path, in_file):
                    yield path, place, document
            except OSError as error:
                raise InputError(f"cannot read {path}: {error.strerror or error}") from error
            except (ValueError, LookupError, csv.Error) as error:  # it was all right when it was listed
                raise _changed(path) from error
            division.listed.check_unchanged(number)

    def _sections(self, division: Division, split: Split) -> Iterator[tuple[int, int]]:
        """The sections of cut documents that are in a split; some may be empty."""
        for _, place, document in self._opened(division, division.places(None)):
            yield self._section(place, document, split)

    def _section(self, place: Place, document: BinaryIO, split: Split) -> tuple[int, int]:
        """The stretch of a document that is in a split; an empty one if none of it is."""
        if place.whole:
            return 0, place.size
        key = (place.file, place.start)
        valid, test = self._cuts.get(key) or self._cut(document, place.size)
        if len(self._cuts) < REMEMBERED:
            self._cuts[key] = valid, test
        return {"train": (0, valid), "valid": (valid, test), "test": (test, place.size)}[split]

    def _cut(self, document: BinaryIO, size: int) -> tuple[int, int]:
        """Where the parts to validate on and to test on begin."""
        valid = cut_near(document, round(size * (1 - self.shares.valid - self.shares.test)), size)
        least = valid + bool(self.shares.valid)
        return valid, cut_near(document, max(least, round(size * (1 - self.shares.test))), size)

    def _read(self, path: Path, document: BinaryIO, start: int, stop: int) -> Iterator[Example]:
        rest = b""  # to go back in a compressed file would be to begin anew
        while start < stop:
            wanted = min(self.portion, stop - start)
            raw = rest + document.read(wanted - len(rest))
            if len(raw) < wanted:
                raise _changed(path)
            whole = _last_break(raw) if wanted < stop - start else wanted
            raw, rest = raw[:whole], raw[whole:]
            start += whole
            try:
                text = raw.decode()
            except UnicodeDecodeError as error:
                raise _changed(path) from error
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
        """What is wrong with the splits. Looks no further than until each of them has a document."""
        shared = self._shared
        wanted = self.shares.wanted - self._own.keys()
        found = {split for split in wanted if shared.holds(split)}
        if found < wanted and shared.count(CUT):
            for _, place, document in self._opened(shared, shared.places(None)):
                sections = {split: self._section(place, document, split) for split in wanted - found}
                found |= {split for split, (start, stop) in sections.items() if start < stop}
                if found >= wanted:
                    break
        if found >= wanted:
            return None
        if shared.alone:
            return self._too_short_to_cut(shared.longest())
        count, different = shared.differing()
        if not count:
            return nothing_found(shared.listed.files, "document", shared.listed.empty, bool(shared.count(WITHHELD)))
        ways_out = self._ways_out(wanted - found)
        return empty_split(sorted(wanted - found), count, different, self.shares, "document", self.files, ways_out)

    def _too_short_to_cut(self, size: int) -> str:
        return (
            f"there is one document in {named(self.files)}, of {many(size, 'byte')}, whose end is held out: too little "
            f"for a share of {self.shares.valid:g} to validate on and {self.shares.test:g} to test on; give it more "
            'text, or name files of their own in "valid_files" and "test_files", or set a share to 0'
        )

    def _ways_out(self, empty: AbstractSet[Split]) -> Iterator[str]:
        for split in sorted(empty - {"train"}):
            yield f'name files of its own in "{split}_files", and set "{split}" to 0'
        longest = self._shared.longest()
        if 1 < longest <= self.cut_above:
            yield f'set "cut_above" below {longest}, the bytes of the longest, so that its end is held out'


def _changed(path: Path) -> InputError:
    return InputError(f"{path} was changed while it was read; start again once nothing writes to it any more")


def _last_break(raw: bytes) -> int:
    """Number of bytes before the last line or, if there is only one line, before its last character."""
    newline = raw.rfind(b"\n")
    if newline >= 0:
        return newline + 1
    last = len(raw) - 1
    while last > len(raw) - 4 and 0x80 <= raw[last] < 0xC0:
        last -= 1
    return last if last > 0 else len(raw)
