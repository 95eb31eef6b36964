"""Pairs of source and target from files of tab-separated values or of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from partwise import InputError, PartError
from partwise.data import Example, Piece, Split

from .files import content_hash, decode
from .splits import Shares, digest

Format = Literal["tsv", "jsonl"]
SUFFIXES: Mapping[str, Format] = {".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


class PairFiles:
    """Examples of two pieces: a source, which is only read, and a target, which is scored. Empty lines are skipped.

    `files` are divided by a hash of the source, so that equal sources are in the same split. A split with files of
    its own takes all of those; its share should then be 0.
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
        own = self.own_files.get(split)
        for path, format in own or self.files:
            for source, target in read_pairs(path, format):
                if own or self.shares.split_of(source) == split:
                    yield Example((Piece(source, scored=False), Piece(target)))

    def identity(self) -> str:
        groups = [self.files, self.own_files.get("valid", []), self.own_files.get("test", [])]
        contents = [[(format, content_hash(path)) for path, format in group] for group in groups]
        return digest("pairs", 1, self.shares.valid, self.shares.test, contents)


def read_pairs(path: Path, format: Format) -> Iterator[tuple[str, str]]:
    """The pairs in a file, line by line.

    Raises:
        InputError: a line is not a pair; the message names it.
    """
    parse = _tsv if format == "tsv" else _jsonl
    offset = 0
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = decode(raw, path, offset).rstrip("\r\n")
                offset += len(raw)
                if line:
                    yield _checked(parse, line, f"{path}:{number}")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _format_of(path: Path) -> Format:
    if path.suffix.lower() not in SUFFIXES:
        raise PartError(f'the name of {path} does not tell its format; set "format" to "tsv" or "jsonl"')
    return SUFFIXES[path.suffix.lower()]


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
    wanted = 'expected an object with the strings "source" and "target"'
    try:
        pair = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError(f"{wanted}, found values nested too deep") from None
    if not isinstance(pair, dict):
        raise ValueError(f"{wanted}, found {line[:40]}")
    source, target = pair.get("source"), pair.get("target")
    if not isinstance(source, str) or not isinstance(target, str):
        raise ValueError(f"{wanted}, found the keys {', '.join(pair) or '(none)'}")
    return source, target
