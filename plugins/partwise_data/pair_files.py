"""Pairs of source and target from files of tab-separated values or of JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from partwise import InputError, PartError
from partwise.data import Example, Piece, Split

from .decompression import inner_suffix
from .files import content_hash
from .holding_out import empty_split, nothing_found
from .lines import json_strings, lines_of
from .splits import Shares, digest, place_of

Format = Literal["tsv", "jsonl"]
SUFFIXES: Mapping[str, Format] = {".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


class PairFiles:
    """Examples of two pieces: a source, which is only read, and a target, which is scored. Empty lines are skipped.

    `files` are divided by a hash of the source, so that equal sources are in the same split. A split with files of
    its own takes all of those; its share should then be 0. Sources that stand in them are not trained on.
    """

    form: Literal["stream", "examples"] = "examples"

    def __init__(
        self,
        files: Sequence[Path],
        shares: Shares,
        own_files: Mapping[Split, Sequence[Path]],
        format: Format | None = None,
    ) -> None:
        self.files = [(path, format or _format_of(path)) for path in files]
        self.shares = shares
        self.own_files = {
            split: [(path, format or _format_of(path)) for path in paths] for split, paths in own_files.items() if paths
        }

    def examples(self, split: Split) -> Iterator[Example]:
        if self._empty is not None:
            raise InputError(self._empty)
        pairs = self._shared() if split not in self.own_files else _pairs_in(self.own_files[split])
        for source, target in pairs:
            if split in self.own_files or self.shares.split_of(source) == split:
                yield Example((Piece(source, scored=False), Piece(target)))

    def _shared(self) -> Iterator[tuple[str, str]]:
        """The pairs of `files` whose source is in no file of a split's own."""
        return (pair for pair in _pairs_in(self.files) if pair[0] not in self._held_out)

    @cached_property
    def _held_out(self) -> frozenset[str]:
        return frozenset(source for files in self.own_files.values() for source, _ in _pairs_in(files))

    @cached_property
    def _empty(self) -> str | None:
        """What is wrong if a split would be empty. Stops reading as soon as each of them has a pair."""
        missing, places = set(self.shares.wanted), list[int]()
        for source, _ in self._shared():
            places.append(place_of(source))
            missing.discard(self.shares.split_at(places[-1]))
            if not missing:
                return None
        files = [path for path, _ in self.files]
        if not places:
            return nothing_found(files, "pair", held_out=bool(self.own_files))
        ways_out = (f'name files of its own in "{split}_files"' for split in sorted(missing - {"train"}))
        return empty_split(sorted(missing), len(places), set(places), self.shares, "pair", files, ways_out)

    def identity(self) -> str:
        groups = [self.files, self.own_files.get("valid", []), self.own_files.get("test", [])]
        contents = [[(format, content_hash(path)) for path, format in group] for group in groups]
        return digest("pairs", 2, self.shares.valid, self.shares.test, contents)


def _pairs_in(files: Sequence[tuple[Path, Format]]) -> Iterator[tuple[str, str]]:
    for path, format in files:
        yield from read_pairs(path, format)


def read_pairs(path: Path, format: Format) -> Iterator[tuple[str, str]]:
    """The pairs in a file, line by line.

    Raises:
        InputError: a line is not a pair; the message names it.
    """
    parse = _tsv if format == "tsv" else _jsonl
    for place, line in lines_of(path):
        yield _checked(parse, line, place)


def _format_of(path: Path) -> Format:
    if inner_suffix(path) not in SUFFIXES:
        raise PartError(f'the name of {path} does not tell its format; set "format" to "tsv" or "jsonl"')
    return SUFFIXES[inner_suffix(path)]


def _checked(parse: Callable[[str], tuple[str, str]], line: str, place: str) -> tuple[str, str]:
    try:
        source, target = parse(line)
    except ValueError as error:
        raise InputError(f"{place}: {error}") from None
    if not source:
        raise InputError(f"{place}: the source is empty; for texts without a source use data 'text'")
    return source, target


def _tsv(line: str) -> tuple[str, str]:
    columns = line.split("\t")
    if len(columns) != 2:
        raise ValueError(f"expected a source, one tab and a target, found {len(columns) - 1} tabs")
    return columns[0], columns[1]


def _jsonl(line: str) -> tuple[str, str]:
    source, target = json_strings(line, "source", "target")
    return source, target
