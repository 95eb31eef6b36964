"""Writes a split as token ids, a portion at a time, so that memory stays small whatever the size of the data.

The layout is the same for running text and for examples: all texts one after the other, an end token before the
first and after each. So the end token that closes one text opens the next, the row of an example is contiguous,
and every token but the very first is the target of exactly one position: of a label, the position before it, and of
what follows a label, none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from partwise.errors import InputError

from .cache import writing_to_cache
from .cache_entry import write_manifest
from .protocols import Example, Piece, Tokenizer
from .text_facts import TextFacts

PORTION = 1 << 18
"""Numbers held before they are written."""


class SplitWriter:
    """Appends texts to the files of an entry; `EncodedSplit` says what each file holds."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, form: Literal["stream", "examples"]) -> None:
        self._folder = folder
        self._tokenizer = tokenizer
        self._form = form
        self._after_label = False
        types = {"tokens": "<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4"}
        if form == "examples":
            types |= {"scored": "|b1", "bounds": "<i8", "cuts": "<i8", "labels": "<i8"}
        self._files = {name: _ArrayFile(folder / name, dtype) for name, dtype in types.items()}
        self._facts = TextFacts(tokenizer)
        self._pieces: list[tuple[bool, int]] = []
        """Of the text being added: whether each piece is scored, and where it begins."""
        if form == "examples":
            self._files["bounds"].extend([0])
        self._append([tokenizer.end], scored=False)

    def add(self, example: Example) -> None:
        """Appends a text, or a portion of one.

        Raises:
            InputError: a label is not one token, or something scored follows it.
            WorkError: the disk is full, or fails otherwise.
        """
        for piece in example.pieces:
            scored = piece.scored or self._form == "stream"
            ids = self._tokenizer.encode(piece.text)
            if not piece.read or (scored and ids and self._after_label):
                self._check_labels(piece, ids)
            self._facts.add_piece(piece.text, ids, scored, piece.read)
            self._pieces.append((scored and piece.read, self._files["tokens"].length))
            self._append(ids, scored, piece.read)
        if example.ends:
            self._end_text(scored=not self._pieces or self._pieces[-1][0])

    def finish(self) -> None:
        """Completes the entry: what is pending, then the manifest.

        Raises:
            WorkError: the disk is full, or fails otherwise.
        """
        if self._pieces:
            self._end_text(scored=self._pieces[-1][0])
        for file in self._files.values():
            file.flush()
        files = {name: (file.dtype, file.size) for name, file in self._files.items()}
        write_manifest(self._folder, {"form": self._form, **self._facts.to_json()}, files)

    def _end_text(self, scored: bool) -> None:
        if self._form == "examples":
            is_pair = [flag for flag, _ in self._pieces] == [False, True]
            self._files["cuts"].extend([self._pieces[1][1] if is_pair else -1])
            self._files["bounds"].extend([self._files["tokens"].length])
        self._append([self._tokenizer.end], scored)
        self._facts.end_text(scored)
        self._pieces = []

    def _append(self, ids: list[int], scored: bool, read: bool = True) -> None:
        if ids:
            self._after_label = not read
        if not read:
            self._files["labels"].extend([self._files["tokens"].length])
        self._files["tokens"].extend(ids)
        if self._form == "examples":
            self._files["scored"].extend([scored] * len(ids))

    def _check_labels(self, piece: Piece, ids: list[int]) -> None:
        text = repr(piece.text[:60])
        if self._form == "stream":
            raise InputError(f"the label {text} stands in running text; labels are for examples")
        if self._after_label:
            raise InputError(
                f"{text} is scored and follows a label, so that nothing which is read stands where it would be "
                "predicted; let something that is read stand between"
            )
        if len(ids) != 1 or not piece.scored:
            raise InputError(
                f"the label {text} takes {len(ids)} tokens, scored {piece.scored}; it has to be one token, scored: "
                'a tokenizer such as "char" has one for each symbol'
            )


class _ArrayFile:
    """A file of numbers of one type, to which numbers are appended."""

    def __init__(self, path: Path, dtype: str) -> None:
        self.path = path
        self.dtype = dtype
        self.length = 0
        """Numbers appended, whether written yet or not."""
        self._pending: list[int] = []

    @property
    def size(self) -> int:
        """Bytes of all numbers appended."""
        return self.length * np.dtype(self.dtype).itemsize

    def extend(self, numbers: list[int]) -> None:
        self._pending += numbers
        self.length += len(numbers)
        if len(self._pending) >= PORTION:
            self.flush()

    def flush(self) -> None:
        content = np.array(self._pending, dtype=self.dtype).tobytes()
        with writing_to_cache(self.path.parent.parent), self.path.open("ab") as file:
            file.write(content)
        self._pending = []
