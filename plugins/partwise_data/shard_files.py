"""Files of token ids: what they hold is found out when they are opened, and read where they lie, by memory map.

nanoGPT   ids one after the other, as uint16 (data/*/prepare.py)
llm.c     256 int32, of which the first three are a magic number, a version and the number of ids; then the ids
          (dev/data/data_common.py): uint16 for the vocabulary of GPT-2, uint32 for that of Llama 3
NumPy     .npy, one dimension of whole numbers
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.format import open_memmap

from partwise import InputError, PartError
from partwise.data import Data, Example, GivenIds, Split

from .splits import digest

Ids = npt.NDArray[Any]
HEADER = 256
"""Numbers in llm.c's header, of four bytes each."""
TYPES: Mapping[int, tuple[int, str]] = {20240520: (1, "uint16"), 20240801: (7, "uint32")}
"""By llm.c's magic number: the version of the format, and the type of the ids."""
LOOKED_AT = 1 << 16
"""Ids at the beginning of a file that are looked at to find out whether it is of another type."""


class ShardFiles:
    """Token ids by split, which are used as they are; and the texts, if any, that a tokenizer is trained on."""

    form: Literal["stream", "examples"] = "stream"

    def __init__(self, shards: Mapping[Split, Sequence[GivenIds]], texts: Data | None) -> None:
        self.shards = shards
        self.texts = texts

    def ids(self, split: Split) -> Sequence[GivenIds]:
        return self.shards[split]

    def examples(self, split: Split) -> Iterator[Example]:
        if self.texts is None:
            raise InputError(
                "these data are token ids, and hold no text that a tokenizer could be trained on; use one that is read "
                "from a file ('tokenizer_json', 'tiktoken', 'sentencepiece_model'), or name in data.texts the texts "
                "that the ids were made from"
            )
        return self.texts.examples(split)

    def identity(self) -> str:
        files = {split: [given.changed for given in shards] for split, shards in self.shards.items()}
        return digest("shards", 1, files, None if self.texts is None else self.texts.identity())


def open_shard(path: Path, dtype: str) -> GivenIds:
    """The ids in a file; `dtype` is their type if the file does not say it.

    Raises:
        PartError: it is no such file, or it was cut short.
    """
    try:
        status = path.stat()
        if path.suffix.lower() == ".npy":
            ids, kind = _numpy(path), "npy"
        else:
            ids, kind = _raw(path, dtype, status.st_size)
    except OSError as error:
        raise PartError(f"cannot read {path}: {error.strerror or error}") from error
    if not len(ids):
        raise PartError(f"{path} holds no id; leave it out")
    changed = (str(path.resolve()), status.st_size, status.st_mtime_ns, str(ids.dtype), kind)
    return GivenIds(ids, str(path), changed, partial(_advice, path, ids, kind))


def _numpy(path: Path) -> Ids:
    try:
        ids: Ids = open_memmap(path, mode="r")
    except ValueError as error:
        raise PartError(f"{path} is no whole .npy file of numbers: {error}") from error
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise PartError(
            f"{path} holds {ids.dtype} of the shape {ids.shape}, and token ids are whole numbers in one dimension"
        )
    return ids


def _raw(path: Path, dtype: str, size: int) -> tuple[Ids, str]:
    """The ids, and whether the file or the recipe said their type."""
    header = np.fromfile(path, "<i4", 3)
    if len(header) == 3 and int(header[0]) in TYPES:
        return _after_header(path, header, size), "header"
    width = np.dtype(dtype).itemsize
    if size % width:
        raise PartError(
            f"{path} has {size:,} bytes, which is no whole number of ids of the type {dtype}, with {width} bytes "
            'each; it was cut short, or its ids have another type ("dtype" of the data)'
        )
    ids = np.memmap(path, np.dtype(dtype).newbyteorder("<"), "r")
    if dtype == "uint16" and _is_wider(ids[:LOOKED_AT], size):
        raise PartError(
            f"every second number in {path} is 0, as in a file of uint32 that is read as uint16; "
            'set "dtype" of the data to "uint32"'
        )
    return ids, "raw"


def _after_header(path: Path, header: Ids, size: int) -> Ids:
    magic, version, count = map(int, header)
    known, dtype = TYPES[magic]
    if version != known:
        raise PartError(f"{path} begins as a file of llm.c, of the version {version}; the version {known} is read")
    start, width = 4 * HEADER, np.dtype(dtype).itemsize
    if size != start + count * width:
        held = max(0, size - start) / width
        raise PartError(
            f"{path} announces {count:,} ids in its header, and holds {held:,.10g}; it was cut short, or is damaged"
        )
    if not count:
        return np.empty(0, dtype)
    return np.memmap(path, np.dtype(dtype).newbyteorder("<"), "r", start)


def _is_wider(ids: Ids, size: int) -> bool:
    return size % 4 == 0 and len(ids) >= 32 and not ids[1::2].any() and bool(ids[::2].any())


def _advice(path: Path, ids: Ids, kind: str, limit: int) -> str:
    """What may be wrong if an id is not below `limit`."""
    if kind == "raw" and ids.dtype.itemsize == 4:
        narrow = np.fromfile(path, "<u2", LOOKED_AT)
        if int(narrow.max()) < limit:
            return ', or set "dtype" of the data to "uint16", the type that the file seems to have'
    return ""


__all__ = ["ShardFiles", "open_shard"]
