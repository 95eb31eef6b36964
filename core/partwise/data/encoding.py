"""Encodes each split of a data set once, into files that are then read by memory map.

The layout is the same for running text and for examples: all texts one after the other, an end token
before the first and after each. So the end token that closes one text opens the next, the row of an
example is a contiguous stretch, and every token but the very first is the target of exactly one position.

A cache entry is a directory, written under another name, flushed to disk and then renamed: it is whole
or it is not there. What was damaged since (files missing, or of another length than the manifest says)
is encoded again. Memory stays at a few portions of text, whatever the size of the data.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from partwise.errors import WorkError

from .cache import CACHE, cache_directory, made_in_cache
from .encoded import Array, EncodedSplit
from .protocols import Data, Example, Split, Tokenizer

FORMAT = 1
"""Changes with the layout of the files, so that old entries are not read."""
PORTION = 1 << 18
"""Tokens held before they are written."""
DAY = 24 * 60 * 60


def encode(data: Data, tokenizer: Tokenizer, split: Split, cache: Path | None = None, code: str = "") -> EncodedSplit:
    """A split as token ids: from the cache, or encoded now and put there.

    Any number of processes may do this at once. `cache` is `cache_directory()` unless given;
    `code` changes when what reads and encodes the texts does.

    Raises:
        InputError: the cache directory cannot be made; or what reading the data raises.
        WorkError: the disk is full, or fails otherwise; nothing half-written stays.
    """
    folder = made_in_cache((cache or cache_directory()) / "encoded")
    entry = folder / f"{split}-{_key(data, tokenizer, split, code)}"
    for _ in range(3):  # more than once only if others keep damaging what was just written
        manifest = _intact(entry)
        with suppress(OSError, ValueError):
            if manifest is not None:
                return _opened(entry, manifest, split, tokenizer)
        _build(entry, data, tokenizer, split)
    raise WorkError(f"the cache entry {entry} cannot be read back; delete it, or name another directory in {CACHE}")


def training_texts(data: Data) -> Iterator[str]:
    """The texts that a tokenizer is trained on: every piece of the training split, read or scored."""
    for example in data.examples("train"):
        for piece in example.pieces:
            yield piece.text


# --- reading an entry ----------------------------------------------------------------------------------


def _key(data: Data, tokenizer: Tokenizer, split: Split, code: str) -> str:
    vocabulary = hashlib.sha256(json.dumps(tokenizer.to_json(), sort_keys=True).encode()).hexdigest()
    facts = json.dumps([FORMAT, data.identity(), vocabulary, split, code])
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


def _intact(entry: Path) -> dict[str, Any] | None:
    """The manifest of an entry, if every file it lists is there in full."""
    try:
        manifest: dict[str, Any] = json.loads((entry / "manifest.json").read_text())
        files = manifest["files"]
        whole = all((entry / name).stat().st_size == size for name, (_, size) in files.items())
        whole = whole and "tokens" in files and "facts" in manifest
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return manifest if whole else None


def _opened(entry: Path, manifest: dict[str, Any], split: Split, tokenizer: Tokenizer) -> EncodedSplit:
    maps: dict[str, Array | None] = {"scored": None, "bounds": None, "cuts": None}
    for name, (dtype, size) in manifest["files"].items():
        # An empty file cannot be mapped.
        maps[name] = np.memmap(entry / name, np.dtype(dtype), "r") if size else np.empty(0, np.dtype(dtype))
    tokens = maps.pop("tokens")
    assert tokens is not None, "every entry has tokens"
    return EncodedSplit(
        name=split,
        tokens=tokens,
        scored=maps["scored"],
        bounds=maps["bounds"],
        cuts=maps["cuts"],
        lossless=tokenizer.lossless,
        unknown_bits=tokenizer.unknown_bits,
        **manifest["facts"],
    )


# --- writing an entry ----------------------------------------------------------------------------------


def _build(entry: Path, data: Data, tokenizer: Tokenizer, split: Split) -> None:
    _sweep(entry)
    unfinished = entry.with_name(f"{entry.name}.{uuid.uuid4().hex}.part")
    try:
        with _writing(unfinished):
            unfinished.mkdir()
        writer = _Writer(unfinished, tokenizer, data.form)
        for example in data.examples(split):
            writer.add(example)
        writer.finish()
        _install(unfinished, entry)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _sweep(entry: Path) -> None:
    """Removes what processes that were killed left of this entry, a day ago or longer."""
    for left in entry.parent.glob(f"{entry.name}.*.part"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > DAY:
                shutil.rmtree(left)


def _install(finished: Path, entry: Path) -> None:
    """Gives an entry its name. Whoever comes second keeps the first one's, unless that is damaged."""
    aside = finished.with_name(f"{finished.name}.damaged.part")
    for _ in range(2):
        with suppress(OSError):
            finished.rename(entry)
            return
        if _intact(entry) is not None:
            return
        with suppress(OSError):
            entry.rename(aside)
            shutil.rmtree(aside)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkError(
            f"cannot write encoded text to {folder.parent}: {error.strerror}; "
            f"make room there, or name another directory in {CACHE}"
        ) from error


class _Writer:
    """Appends examples to the files of an entry, a portion at a time."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, form: Literal["stream", "examples"]) -> None:
        self.folder = folder
        self.tokenizer = tokenizer
        self.form = form
        self.types = {"tokens": "<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4"}
        if form == "examples":
            self.types |= {"scored": "|b1", "bounds": "<i8", "cuts": "<i8"}
        self.pending: dict[str, list[int]] = {name: [] for name in self.types}
        self.lengths = dict.fromkeys(self.types, 0)
        self.scored_tokens = self.text_bytes = self.unknowns = 0
        self.hash = hashlib.sha256()
        self.pieces: list[tuple[bool, int]] = []
        """Of the text being added: whether each piece is scored, and where it begins."""
        if form == "examples":
            self.pending["bounds"].append(0)
        self._append([tokenizer.end], scored=False)

    def add(self, example: Example) -> None:
        for piece in example.pieces:
            scored = piece.scored or self.form == "stream"
            raw = piece.text.encode("utf-8", "surrogatepass")
            ids = self.tokenizer.encode(piece.text)
            self.hash.update(b"%d %d " % (scored, len(raw)))
            self.hash.update(raw)
            if scored:
                self.scored_tokens += len(ids)
                self.text_bytes += len(raw)
                self.unknowns += ids.count(self.tokenizer.unknown) if self.tokenizer.unknown is not None else 0
            self.pieces.append((scored, self._length("tokens")))
            self._append(ids, scored)
        if example.ends:
            self._close_text(scored=not self.pieces or self.pieces[-1][0])

    def finish(self) -> None:
        """Writes what is pending, then the manifest, and has it all on the disk."""
        if self.pieces:
            self._close_text(scored=self.pieces[-1][0])
        for name in self.types:
            self._flush(name)
        facts = {
            "form": self.form,
            "scored_tokens": self.scored_tokens,
            "text_bytes": self.text_bytes,
            "unknowns": self.unknowns,
            "data_hash": self.hash.hexdigest(),
        }
        sizes = {name: (dtype, self.lengths[name] * np.dtype(dtype).itemsize) for name, dtype in self.types.items()}
        with _writing(self.folder):
            (self.folder / "manifest.json").write_text(json.dumps({"facts": facts, "files": sizes}))
            for path in self.folder.iterdir():
                with path.open("rb+") as file:
                    os.fsync(file.fileno())

    def _close_text(self, scored: bool) -> None:
        self.hash.update(b"end ")
        if self.form == "examples":
            is_pair = [flag for flag, _ in self.pieces] == [False, True]
            self.pending["cuts"].append(self.pieces[1][1] if is_pair else -1)
            self.pending["bounds"].append(self._length("tokens"))
        self._append([self.tokenizer.end], scored)
        self.scored_tokens += scored
        self.pieces = []

    def _append(self, ids: list[int], scored: bool) -> None:
        self.pending["tokens"] += ids
        if self.form == "examples":
            self.pending["scored"] += [scored] * len(ids)
        if len(self.pending["tokens"]) >= PORTION:
            for name in self.types:
                self._flush(name)

    def _length(self, name: str) -> int:
        return self.lengths[name] + len(self.pending[name])

    def _flush(self, name: str) -> None:
        values = np.array(self.pending[name], dtype=self.types[name])
        with _writing(self.folder), (self.folder / name).open("ab") as file:
            file.write(values.tobytes())
        self.lengths[name] += len(values)
        self.pending[name] = []
