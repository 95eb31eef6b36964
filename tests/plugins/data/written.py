"""Writes documents to files of every format, with the library that belongs to it, and reads a data set back."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import zstandard
from pyarrow import parquet

from partwise.parts import DataSite
from partwise_data.parts import Text
from partwise_data.text_files import TextFiles

FORMATS = ("jsonl", "ndjson", "csv", "tsv", "parquet", "txt")
PACKINGS = ("", ".gz", ".zst")
SPLITS = ("train", "valid", "test")
BETWEEN = "<|endoftext|>"


def packed(raw: bytes, packing: str) -> bytes:
    return {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[packing](raw)


def as_bytes(documents: Sequence[str], form: str, field: str = "text") -> bytes:
    out: Any
    if form in ("jsonl", "ndjson"):
        return "".join(json.dumps({"id": n, field: text}) + "\n" for n, text in enumerate(documents)).encode()
    if form in ("csv", "tsv"):
        out = io.StringIO(newline="")
        rows = csv.writer(out, delimiter="," if form == "csv" else "\t")
        rows.writerows([["id", field], *enumerate(documents)])
        return out.getvalue().encode()
    if form == "parquet":
        out = io.BytesIO()
        table = pa.table({"id": range(len(documents)), field: pa.array(documents, pa.string())})
        parquet.write_table(table, out, row_group_size=3)
        return bytes(out.getvalue())
    return BETWEEN.join(documents).encode()


def write(folder: Path, documents: Sequence[str], form: str, packing: str = "", **more: str) -> str:
    """Writes a file and returns its name."""
    name = f"a.{form}{packing}"
    (folder / name).write_bytes(packed(as_bytes(documents, form, **more), packing))
    return name


def data_in(folder: Path, *names: str, **knobs: Any) -> TextFiles:
    return Text(files=names, **knobs).assemble(DataSite(folder))


def texts(data: TextFiles, split: str) -> list[str]:
    """The texts of a split, put together from their portions."""
    joined = [""]
    for example in data.examples(split):
        joined[-1] += example.pieces[0].text
        if example.ends:
            joined.append("")
    assert joined.pop() == ""
    return joined


def divided(data: TextFiles) -> list[list[str]]:
    """The texts of all splits."""
    return [texts(data, split) for split in SPLITS]
