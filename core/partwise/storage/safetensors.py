"""Named tensors in safetensors files: written in one pass without a second copy of them in memory, read with care.

The format (https://github.com/huggingface/safetensors): the header's length in 8 bytes, little end first; the
header, JSON; the tensors' bytes one after the other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from partwise.errors import InputError, WorkError

from .atomic import open_regular, write_whole

LARGEST_HEADER = 32 * 1024**2
"""Most bytes that a header may have: room for a quarter of a million tensors."""

_NAMES = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_DTYPES = {name: dtype for dtype, name in _NAMES.items()} | {
    "C64": torch.complex64,
    "F8_E8M0": torch.float8_e8m0fnu,
    "U16": torch.uint16,
    "U32": torch.uint32,
    "U64": torch.uint64,
}
LFS = b"version https://git-lfs"
"""What a file begins with that Git LFS has not fetched yet."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes a safetensors file, completely or not at all.

    Raises:
        WorkError: it could not be written.
    """
    write_whole(path, lambda place: fill_file(place, tensors))


def fill_file(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes a safetensors file at `path` itself.

    Raises:
        OSError: it could not be written.
        WorkError: the format has no name for a tensor's dtype.
    """
    layout = Layout.of(tensors)
    with path.open("wb") as file:
        file.write(layout.header)
        for name in layout.begins:
            file.write(content_of(tensors[name]))


@dataclass(frozen=True)
class Layout:
    """Where everything stands in a safetensors file of given tensors."""

    header: bytes
    """All that comes before the tensors."""
    begins: Mapping[str, int]
    """Place of each tensor's first byte, in the order of the file."""
    size: int
    """Bytes of the file."""

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Layout:
        """The layout for tensors of these types and shapes, which may be without content.

        Raises:
            WorkError: the format has no name for a tensor's dtype.
        """
        # Wide types first, so that every tensor begins where its type can be read; then by name, always the same.
        order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
        entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
        begins: dict[str, int] = {}
        end = 0
        for name in order:
            tensor = tensors[name]
            if tensor.dtype not in _NAMES:
                raise WorkError(f"{name} is of {tensor.dtype}, which a safetensors file cannot hold")
            begins[name], end = end, end + tensor.numel() * tensor.element_size()
            shape, offsets = list(tensor.shape), [begins[name], end]
            entries[name] = {"dtype": _NAMES[tensor.dtype], "shape": shape, "data_offsets": offsets}
        text = json.dumps(entries, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        header = len(text).to_bytes(8, "little") + text
        return cls(header, {name: len(header) + begin for name, begin in begins.items()}, len(header) + end)


def content_of(tensor: Tensor) -> memoryview:
    """A tensor's bytes, as they stand in a file."""
    if not tensor.numel():
        return memoryview(b"")
    content: memoryview = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return content


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; takes no more memory than it has bytes, whatever it claims.

    Raises:
        InputError: the file is not there or cannot be read.
        WorkError: it is cut short, or not a safetensors file.
    """
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


class StoredTensors(Mapping[str, Tensor]):
    """The tensors of safetensors files, each read when it is asked for: memory is for those that are kept.

    Raises:
        InputError: a file is not there or cannot be read, or two hold a tensor of one name.
        WorkError: one is cut short, or not a safetensors file.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._places: dict[str, Path] = {}
        for path in paths:
            with _opened(path) as file:
                for name in file.keys():  # noqa: SIM118
                    if (first := self._places.setdefault(name, path)) != path:
                        raise InputError(f"{first} and {path} both hold {name}; one of them is of another checkpoint")

    def drafts(self) -> dict[str, Tensor]:
        """Every tensor on the meta device: its type and its shape, as the headers say them.

        Raises:
            InputError: one is of a type that PyTorch does not have.
            WorkError: a file has changed, and is none any more.
        """
        found: dict[str, Tensor] = {}
        for path in dict.fromkeys(self._places.values()):
            with _opened(path) as file:
                for name in (name for name, place in self._places.items() if place == path):
                    stored = file.get_slice(name)
                    found[name] = torch.empty(stored.get_shape(), dtype=_dtype(stored.get_dtype(), name), device="meta")
        return found

    def __getitem__(self, name: str) -> Tensor:
        path = self._places[name]
        # Opened anew for each: pages of a file stay in memory as long as it is open.
        with _opened(path) as file:
            tensor: Tensor = file.get_tensor(name)
            return tensor

    def rows(self, name: str, begin: int, end: int) -> Tensor:
        """These rows of a tensor of at least one dimension; the others take no memory."""
        with _opened(self._places[name]) as file:
            stored = file.get_slice(name)
            if begin < end:
                found: Tensor = stored[begin:end]
                return found
            return torch.empty(0, *stored.get_shape()[1:], dtype=_dtype(stored.get_dtype(), name))

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _dtype(stored: str, name: str) -> torch.dtype:
    dtype = _DTYPES.get(stored)
    if dtype is None:
        raise InputError(f"{name} is {stored}, a type of tensors that cannot be read here")
    return dtype


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with open_regular(path) as file:
            begin, size = file.read(len(LFS)), os.fstat(file.fileno()).st_size
        if not size or begin == LFS:
            raise ValueError("it is empty" if not size else "it is a pointer of Git LFS; git lfs pull fetches the file")
        claimed = int.from_bytes(begin[:8], "little")
        if claimed > min(LARGEST_HEADER, size - 8):
            raise ValueError(f"its header claims {claimed:,} bytes of {size:,}")
        with safe_open(path, framework="pt") as tensors:
            yield tensors
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, ValueError, TypeError, LookupError, RuntimeError, AttributeError, OverflowError) as error:
        cut = "it is cut short, or longer than its header says" if "not fully covered" in str(error) else error
        raise WorkError(f"{path} is damaged, or not a safetensors file: {cut}") from error
