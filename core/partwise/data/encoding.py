"""A split of a data set as token ids: encoded once into the cache, from then on read by memory map."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from partwise.errors import WorkError

from .cache import CACHE, cache_directory, made_in_cache
from .cache_entry import new_entry, read_manifest
from .encoded import Array, EncodedSplit
from .protocols import Data, Split, Tokenizer
from .split_writer import SplitWriter

FORMAT = 2
"""Changes with the layout of the files, so that old entries are not read."""
ATTEMPTS = 3
"""More than one only because others may damage what was just written."""


def encode(data: Data, tokenizer: Tokenizer, split: Split, cache: Path | None = None, code: str = "") -> EncodedSplit:
    """A split as token ids: from the cache, or encoded now and put there.

    Any number of processes may do this at once.

    Args:
        cache: `cache_directory()` unless given.
        code: changes when the code that reads and encodes the texts does.

    Raises:
        InputError: the cache directory cannot be made; or what reading the data raises.
        WorkError: the disk is full, or fails otherwise; nothing half-written stays.
    """
    folder = made_in_cache((cache or cache_directory()) / "encoded")
    entry = folder / f"{split}-{_key(data, tokenizer, split, code)}"
    for _ in range(ATTEMPTS):
        manifest = read_manifest(entry)
        with suppress(OSError, ValueError):
            if manifest is not None:
                return _opened(entry, manifest, split, tokenizer)
        with new_entry(entry) as unfinished:
            writer = SplitWriter(unfinished, tokenizer, data.form)
            for example in data.examples(split):
                writer.add(example)
            writer.finish()
    raise WorkError(f"the cache entry {entry} cannot be read back; delete it, or name another directory in {CACHE}")


def training_texts(data: Data) -> Iterator[str]:
    """The texts that a tokenizer is trained on: every piece of the training split, read or scored."""
    for example in data.examples("train"):
        for piece in example.pieces:
            yield piece.text


def _key(data: Data, tokenizer: Tokenizer, split: Split, code: str) -> str:
    """A hash of all that decides which tokens a split becomes."""
    vocabulary = hashlib.sha256(json.dumps(tokenizer.to_json(), sort_keys=True).encode()).hexdigest()
    facts = json.dumps([FORMAT, data.identity(), vocabulary, split, code])
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


def _opened(entry: Path, manifest: dict[str, Any], split: Split, tokenizer: Tokenizer) -> EncodedSplit:
    arrays: dict[str, Array] = {
        # An empty file cannot be mapped.
        name: np.memmap(entry / name, np.dtype(dtype), "r") if size else np.empty(0, np.dtype(dtype))
        for name, (dtype, size) in manifest["files"].items()
    }
    return EncodedSplit(
        name=split,
        tokens=arrays["tokens"],
        scored=arrays.get("scored"),
        bounds=arrays.get("bounds"),
        cuts=arrays.get("cuts"),
        labels=arrays.get("labels"),
        unknown_bits=tokenizer.unknown_bits,
        **manifest["facts"],
    )
