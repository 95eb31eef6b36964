"""Files that are not as they should be: one error that names the file, the place and the fix."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from partwise import InputError
from partwise_data.found import Found
from partwise_data.plain_text import PlainText

from .written import FORMATS, PACKINGS, SPLITS, as_bytes, data_in, packed, texts, write

TEXT = "".join(f"line {number} of a text\n" for number in range(20_000))


def refused(folder: Path, name: str, **knobs: Any) -> str:
    """The error that reading a file gives, before any text of it is used."""
    with pytest.raises(InputError) as caught:
        data_in(folder, name, **{"valid": 0, "test": 0, **knobs}).identity()
    assert str(folder / name) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_compressed_file_that_is_cut_off(tmp_path: Path, packing: str) -> None:
    whole = packed(TEXT.encode(), packing)
    for name, raw in (("a.txt", whole[:-9]), ("a.jsonl", packed(as_bytes([TEXT] * 9, "jsonl"), packing)[:-9])):
        (tmp_path / (name + packing)).write_bytes(raw)
        assert "ends in the middle. Get it again" in refused(tmp_path, name + packing)


@pytest.mark.parametrize(("packing", "tool"), [(".gz", "gzip -t"), (".zst", "zstd -t")])
def test_a_compressed_file_with_a_wrong_byte(tmp_path: Path, packing: str, tool: str) -> None:
    raw = bytearray(packed(TEXT.encode(), packing))
    if packing == ".zst":  # which has no check of its own unless it is asked for
        raw = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(TEXT.encode()))
    raw[len(raw) // 2] ^= 255
    (tmp_path / f"a.txt{packing}").write_bytes(raw)
    message = refused(tmp_path, f"a.txt{packing}")
    assert "near byte" in message
    assert f"({tool} a.txt{packing} tests it)" in message


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_file_that_is_not_compressed_as_it_is_named(tmp_path: Path, packing: str) -> None:
    (tmp_path / f"a.txt{packing}").write_text(TEXT)
    assert "cannot be unpacked as" in refused(tmp_path, f"a.txt{packing}")


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_line_that_is_no_json_is_named_by_its_number(tmp_path: Path, packing: str) -> None:
    lines = [json.dumps({"text": "x" * 500})] * 5000
    lines[4321] = '{"text": "cut o'
    (tmp_path / f"a.jsonl{packing}").write_bytes(packed("\n".join(lines).encode(), packing))
    assert f"a.jsonl{packing}:4322: not JSON" in refused(tmp_path, f"a.jsonl{packing}")


def test_a_column_that_is_missing_is_answered_with_the_nearest(tmp_path: Path) -> None:
    for form in ("parquet", "csv", "tsv"):
        name = write(tmp_path, ["one", "two"], form, field="Content")
        message = refused(tmp_path, name, field="content")
        assert "has no column 'content', did you mean 'Content'?" in message
        assert "'id', 'Content'. The knob \"field\"" in message
    assert "did you mean" not in refused(tmp_path, "a.parquet", field="zzz")


def test_a_column_that_holds_no_text(tmp_path: Path) -> None:
    write(tmp_path, ["one"], "parquet", field="body")
    message = refused(tmp_path, "a.parquet", field="id")
    assert "column 'id' holds int64, not text; columns of text: 'body'" in message


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"no parquet at all", b"PAR1" + b"\0" * 50 + b"\xff\xff\xff\x7fPAR1"])
def test_a_parquet_that_is_none(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(damage or b" ")
    assert "cannot be read as Parquet" in refused(tmp_path, "a.parquet")


@settings(max_examples=60)
@given(
    place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), form=st.sampled_from(FORMATS), cut=st.booleans()
)
def test_a_damaged_file_is_an_error_or_other_text_and_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, place: float, flip: int, form: str, cut: bool
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    for packing in PACKINGS:
        raw = bytearray(packed(as_bytes([f'"quoted" text {n}, é' for n in range(9)], form), packing))
        at = int(place * len(raw))
        raw[at] ^= flip
        (folder / f"a.{form}{packing}").write_bytes(raw[:at] if cut and at else raw)
        data = data_in(folder, f"a.{form}{packing}", valid=0, test=0)
        try:
            texts(data, "train")
        except InputError as error:
            assert str(folder) in str(error) or "would be empty" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('x,"never closed\nand on\n', ":4: a quote that is opened in this row is never closed: fields that"),
        ('x,"a quote" and more\n', ":4: a quote is followed by more text"),
        ("x\n", ":4: this row has 1 field, and 'text' is number 2"),
    ],
)
def test_a_row_that_is_no_csv_is_named_by_its_line(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(f'id,text\n1,"two\nlines"\n{row}')
    assert f"a.csv{message}" in refused(tmp_path, "a.csv")


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
def test_another_encoding_is_named(tmp_path: Path, packing: str, encoding: str) -> None:
    for form in ("txt", "jsonl", "csv"):
        name = f"a.{form}{packing}"
        (tmp_path / name).write_bytes(packed("text,café\n".encode(encoding) * 30, packing))
        message = refused(tmp_path, name)
        assert "is not UTF-8 text" in message
        assert ("LATIN1" if encoding == "latin-1" else "UTF-16") in message


def test_one_file_in_another_encoding_among_many(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text(f"tëxt {number}", encoding="latin-1" if number == 17 else "utf-8")
    with pytest.raises(InputError, match=r"17\.txt is not UTF-8 text: byte 1 is 0xeb"):
        data_in(tmp_path, "*.txt").identity()


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_record_that_is_too_large_for_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr("partwise_data.records.LONGEST", 1000)
    monkeypatch.setattr("partwise_data.parquet.LONGEST", 1000)
    name = write(tmp_path, ["short", "x" * 1200], form)
    assert "read whole" in refused(tmp_path, name)
    assert ".txt" in refused(tmp_path, name)


def test_an_open_quote_swallows_no_more_than_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import csv

    before = csv.field_size_limit(1000)
    monkeypatch.setattr("partwise_data.records.LONGEST", 1000)
    try:
        (tmp_path / "a.csv").write_text('text\n"' + "a line\n" * 1000)
        assert "a.csv:2: a field that begins here is longer than" in refused(tmp_path, "a.csv")
    finally:
        csv.field_size_limit(before)


def test_a_text_that_holds_nothing_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": ""}\n\n{"text": ""}\n')
    data = data_in(tmp_path, "a.jsonl")
    with pytest.raises(InputError, match=r"there is no document in .*a\.jsonl: 2 empty documents were left out"):
        texts(data, "train")


def test_a_text_of_which_all_is_held_out_in_other_files(tmp_path: Path) -> None:
    for name in ("a.jsonl", "v.jsonl"):
        (tmp_path / name).write_text('{"text": "one"}\n{"text": "two"}\n')
    data = data_in(tmp_path, "a.jsonl", valid_files=("v.jsonl",), test=0)
    with pytest.raises(InputError, match=r"no document in .*a\.jsonl beside those that files of a split's own hold"):
        texts(data, "train")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "id,text\n1,one\n2,no, not this\n", r"a\.csv:3: this row has 3 fields, and the first row names 2"),
        ("a.tsv", "text\tid\none\t1\ntwo\tmore\t2\n", r"a\.tsv:3: this row has 3 fields, .*'\\t' in it stands in"),
        ("a.csv", "text,text\none,two\n", r"a\.csv: its first row names 'text' more than once"),
    ],
)
def test_a_text_that_would_be_cut_or_is_one_of_two_is_refused(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=told):
        texts(data_in(tmp_path, name, valid=0, test=0), "train")


def test_empty_fields_after_the_last_column_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,one,,\n2,two,\n")
    assert texts(data_in(tmp_path, "a.csv", valid=0, test=0), "train") == ["one", "two"]


def test_columns_of_a_parquet_that_have_one_name_are_refused(tmp_path: Path) -> None:
    parquet.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: its columns are named 'text' more than once"):
        texts(data_in(tmp_path, "a.parquet", valid=0, test=0), "train")


def test_a_parquet_with_checksums_is_held_to_them(tmp_path: Path) -> None:
    table = pa.table({"text": [f"document number {number}" for number in range(200)]})
    parquet.write_table(
        table, tmp_path / "a.parquet", write_page_checksum=True, compression="none", use_dictionary=False
    )
    raw = bytearray((tmp_path / "a.parquet").read_bytes())
    raw[raw.index(b"number 150")] = ord("N")
    (tmp_path / "a.parquet").write_bytes(raw)
    with pytest.raises(InputError, match=r"a\.parquet cannot be read as Parquet: .*[^.]\. Get it again"):
        texts(data_in(tmp_path, "a.parquet", valid=0, test=0), "train")


def test_a_file_that_changes_while_it_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    scan = PlainText.scan

    def disturbed(form: PlainText, path: Path) -> Iterator[Found]:
        for found in scan(form, path):
            path.write_text("other")
            yield found

    monkeypatch.setattr(PlainText, "scan", disturbed)
    with pytest.raises(InputError, match=r"a\.txt was changed while it was read; start again once nothing writes"):
        data_in(tmp_path, "a.txt").identity()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("packing", ["", ".gz"])
@pytest.mark.parametrize("other", [b"", b"short", b"\xff" * 9000])
def test_a_file_that_changes_between_two_readings(tmp_path: Path, form: str, packing: str, other: bytes) -> None:
    name = write(tmp_path, ["one " * 400, "two " * 400], form, packing)
    data = data_in(tmp_path, name, valid=0, test=0)
    data.identity()
    stat = (tmp_path / name).stat()
    (tmp_path / name).write_bytes(other)
    with pytest.raises(InputError, match="was changed while it was read"):
        texts(data, "train")
    os.truncate(tmp_path / name, stat.st_size)  # even where its times and size do not tell
    os.utime(tmp_path / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    if name == "a.txt" and b"\xff" not in other:
        return  # which is text again, and nothing can tell
    with pytest.raises(InputError, match=name):
        texts(data, "train")


def test_a_file_that_disappears(tmp_path: Path) -> None:
    name = write(tmp_path, ["one", "two"], "jsonl")
    data = data_in(tmp_path, name, valid=0, test=0)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=r"cannot read .*a\.jsonl: No such file"):
        data.identity()


def test_the_first_error_is_the_same_whatever_is_asked_first(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "fine"}\n{"body": "x"}\n'))
    data = data_in(tmp_path, "a.jsonl.gz")
    for ask in (data.identity, *(lambda split=split: list(data.examples(split)) for split in SPLITS)):
        with pytest.raises(InputError, match=r"a\.jsonl\.gz:2: .*\"text\" is missing among the keys body"):
            ask()


def test_documents_with_half_a_character_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a \\ud83d b"}\n{"text": "\\ud83d\\ude00"}\n{"text": "c"}\n')
    for _ in range(2):  # found, and found in the cache
        data = data_in(tmp_path, "a.jsonl", valid=0, test=0)
        assert data.survey("train").more["with half a character, read as ?"] == 1
        assert texts(data, "train") == ["a ? b", "\U0001f600", "c"]
