"""Files that may be compressed with gzip or zstd: their bytes, in small blocks, whatever a block unpacks to."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from os.path import splitext
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from partwise import InputError, PartError

SUFFIXES = {".gz": "gzip", ".zst": "zstd"}
BUFFER = 1 << 16
"""Bytes that are read ahead."""
PACKED = 1 << 12
"""Compressed bytes that are unpacked at once: however well they are packed, they become no more than 134 MB."""
PORTION = 1 << 18
"""Most bytes that a block of gzip unpacks to."""


def packing_of(path: Path) -> str | None:
    """How a file is compressed, by its suffix: "gzip", "zstd", or None."""
    return SUFFIXES.get(splitext(path)[1].lower())


def inner_suffix(path: Path) -> str:
    """The suffix of what is in a file, in small letters: `.jsonl` of `notes.jsonl.gz`."""
    name, suffix = splitext(path)
    return (splitext(name)[1] if suffix.lower() in SUFFIXES else suffix).lower()


def check_library(path: Path, name: str) -> None:
    """
    Raises:
        PartError: a library that this file needs is not installed.
    """
    if find_spec(name) is None:
        raise PartError(f"{path} needs the library {name}, which is not installed: pip install 'partwise[corpora]'")


def open_bytes(path: Path) -> BinaryIO:
    """What is in a file, unpacked; to be read forward, for whoever goes back in a compressed file begins anew.

    Raises:
        InputError: while it is read: it is damaged, or not compressed as its suffix says.
    """
    if packing_of(path) is None:
        return path.open("rb", buffering=BUFFER)
    return cast(BinaryIO, io.BufferedReader(_Unpacked(path), BUFFER))


class _Decoder(Protocol):
    """What zlib and zstandard have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _Unpacked(io.RawIOBase):
    """The bytes of a compressed file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._blocks = blocks_of(path)
        self._block = memoryview(b"")
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        offset += self._at if whence == io.SEEK_CUR else 0
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the end of a compressed file is not known")
        if offset < self._at:
            self._blocks, self._block, self._at = blocks_of(self._path), memoryview(b""), 0
        while self._at < offset and self._more():
            self._take(offset - self._at)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._more():
            return 0
        taken = self._take(len(buffer))
        buffer[: len(taken)] = taken
        return len(taken)

    def _more(self) -> bool:
        """Whether there is a byte that has not been read; unpacks the next block where that is needed."""
        while not self._block:
            block = next(self._blocks, None)
            if block is None:
                return False
            self._block = memoryview(block)
        return True

    def _take(self, count: int) -> memoryview:
        taken, self._block = self._block[:count], self._block[count:]
        self._at += len(taken)
        return taken


def blocks_of(path: Path) -> Iterator[bytes]:
    """The unpacked bytes of a compressed file; of several that were put one after the other, those of all.

    Raises:
        InputError: it is damaged, cut off, or not compressed as its suffix says.
    """
    packing = SUFFIXES[path.suffix.lower()]
    new, unpack, errors = _gzip() if packing == "gzip" else _zstd()
    decoder, begun, at = new(), False, 0
    with path.open("rb") as file:
        while packed := file.read(PACKED):
            at += len(packed)
            while packed:
                if decoder.eof:
                    decoder, begun = new(), False
                if not begun and packing == "gzip":
                    packed = packed.lstrip(b"\0") if at > len(packed) else packed  # tape drives fill up with zeros
                    if not packed:
                        break
                begun = True
                try:
                    yield from unpack(decoder, packed)
                except errors as error:
                    raise InputError(_damaged(path, packing, at, str(error).rpartition(": ")[2])) from None
                packed = decoder.unused_data if decoder.eof else b""
    if begun and not decoder.eof:
        raise InputError(_damaged(path, packing, at, "it ends in the middle"))


_Way = tuple[Callable[[], _Decoder], Callable[..., Iterator[bytes]], tuple[type[Exception], ...]]


def _gzip() -> _Way:
    def unpack(decoder: zlib._Decompress, packed: bytes) -> Iterator[bytes]:
        while packed:
            yield decoder.decompress(packed, PORTION)
            packed = decoder.unconsumed_tail

    return lambda: zlib.decompressobj(31), unpack, (zlib.error,)


def _zstd() -> _Way:
    import zstandard

    def unpack(decoder: zstandard.ZstdDecompressionObj, packed: bytes) -> Iterator[bytes]:
        yield decoder.decompress(packed)

    return lambda: zstandard.ZstdDecompressor().decompressobj(), unpack, (zstandard.ZstdError,)


def _damaged(path: Path, packing: str, at: int, what: str) -> str:
    if "too much memory" in what:
        return f"{path} was compressed with a window of more than 128 MB; compress it again, without --long or --ultra"
    where = "" if at <= PACKED else f" near byte {at:,}"
    test = f"{'gzip' if packing == 'gzip' else 'zstd'} -t {path.name}"
    return (
        f"{path} cannot be unpacked as {packing}{where}: {what}. Get it again, or compress it again ({test} tests it)"
    )
