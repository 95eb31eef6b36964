"""A split of a data set as token ids: encoded once into the cache, from then on read by memory map."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from partwise.errors import InputError, WorkError
from partwise.machine import cores

from .cache import CACHE, cache_directory, made_in_cache
from .cache_entry import read_manifest, unfinished
from .chunk_encoding import array_types
from .chunks import Chunk, chunks_of
from .encoded import Array, EncodedSplit
from .encoder import Encoder
from .encoding_progress import EncodingProgress
from .in_order import in_order
from .protocols import Data, Split, Tokenizer
from .split_files import SplitFiles

FORMAT = 2
"""Changes with the layout of the files, so that old entries are not read."""
ATTEMPTS = 3
"""More than one only because others may damage what was just written."""
WORKERS = "PARTWISE_WORKERS"
"""Environment variable with the number of threads, or processes, that encode."""

Say = Callable[[str], None]


def encode(
    data: Data,
    tokenizer: Tokenizer,
    split: Split,
    cache: Path | None = None,
    code: str = "",
    say: Say = lambda line: None,
) -> EncodedSplit:
    """A split as token ids: from the cache, or encoded now and put there.

    As many threads do it as there are processor cores for this process, or as PARTWISE_WORKERS says; processes, where a
    tokenizer has no `encode_array`. Any number gives the same result, and memory stays small. Any number of processes
    may call this at once: one encodes, and the others wait. If it is interrupted or killed, the next one goes on where
    it was.

    Args:
        cache: `cache_directory()` unless given.
        code: changes when the code that reads and encodes the texts does.
        say: called with a line on how far it is, every now and then.

    Raises:
        InputError: the cache directory cannot be made; PARTWISE_WORKERS is no number; or what reading the data raises.
        WorkError: the disk is full, or fails otherwise; nothing half-written stays. Or a process that encodes has died.
    """
    folder = made_in_cache((cache or cache_directory()) / "encoded")
    entry = folder / f"{split}-{_key(data, tokenizer, split, code)}"

    def wait() -> None:
        say(f"another process encodes the {split} split of these texts; waiting for it")

    for _ in range(ATTEMPTS):
        manifest = read_manifest(entry)
        with suppress(OSError, ValueError):
            if manifest is not None:
                return _opened(entry, manifest, split, tokenizer)
        with unfinished(entry, wait) as place:
            if place is not None:
                _write(place, data, tokenizer, split, EncodingProgress(split, say))
    raise WorkError(f"the cache entry {entry} cannot be read back; delete it, or name another directory in {CACHE}")


def encoded_before(
    data: Data, tokenizer: Tokenizer, split: Split, code: str = "", cache: Path | None = None
) -> EncodedSplit | None:
    """A split that `encode` has put into the cache; None if it has not."""
    entry = (cache or cache_directory()) / "encoded" / f"{split}-{_key(data, tokenizer, split, code)}"
    manifest = read_manifest(entry)
    with suppress(OSError, ValueError):
        return None if manifest is None else _opened(entry, manifest, split, tokenizer)
    return None


def encoding_workers() -> int:
    """How many threads or processes encode: $PARTWISE_WORKERS, else one for each processor core of this process.

    Raises:
        InputError: PARTWISE_WORKERS is no number from 1.
    """
    given = os.environ.get(WORKERS)
    if not given:
        return cores()
    if not (given.isascii() and given.isdecimal() and int(given)):
        raise InputError(
            f"{WORKERS} is {given!r}; it is the number of threads or processes that encode texts: 1, 2 ..."
        )
    return int(given)


def training_texts(data: Data) -> Iterator[str]:
    """The texts that a tokenizer is trained on: every piece of the training split, read or scored."""
    for example in data.examples("train"):
        for piece in example.pieces:
            if not piece.special:
                yield piece.text


def _write(place: Path, data: Data, tokenizer: Tokenizer, split: Split, progress: EncodingProgress) -> None:
    """Writes an entry into a folder, or goes on with what stands there."""
    types = array_types(tokenizer, data.form)
    first: dict[str, Array] = {name: np.array([], dtype) for name, dtype in types.items()}
    first["tokens"] = np.array([tokenizer.end], types["tokens"])
    if data.form == "examples":
        first |= {"scored": np.array([False]), "bounds": np.array([0], types["bounds"])}
    chunks = chunks_of(data.examples(split), data.form)
    texts = hashlib.sha256()
    workers = encoding_workers()
    with SplitFiles(place, first) as files:

        def try_loss() -> bool:
            # Once a text is lost there is no need to try another.
            return not tokenizer.lossless and files.last.facts.lossless

        with Encoder(tokenizer, workers, try_loss) as encoder:
            chunks = _go_on(files, chunks, texts, progress)
            with closing(in_order(encoder, chunks, workers)) as encoded_chunks:
                for encoded in encoded_chunks:
                    texts.update(encoded.framed)
                    files.append(encoded.arrays, encoded.facts, texts.hexdigest())
                    progress.report(files.last.facts, getattr(tokenizer, "encoding_note", None))
        cut = {"may_be_cut": True} if getattr(data, "cuts", False) else {}
        files.finish({"form": data.form, "data_hash": texts.hexdigest(), **cut})


def _go_on(files: SplitFiles, chunks: Iterator[Chunk], texts: Any, progress: EncodingProgress) -> Iterator[Chunk]:
    """The chunks that are still to be encoded: those after the last that stands in the files, as its text does now.

    `texts` is the hash of all texts, which is brought to where the first of them begins.
    """
    same = 0
    for step in files.steps:
        chunk = next(chunks, None)
        if chunk is None:
            break
        framed = chunk.framed(chunk.raws())
        so_far = texts.copy()
        so_far.update(framed)
        if so_far.hexdigest() != step.texts:
            chunks = chain([chunk], chunks)
            break
        texts.update(framed)
        same += 1
    files.keep(same)
    progress.begin(files.last.facts)
    return chunks


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
