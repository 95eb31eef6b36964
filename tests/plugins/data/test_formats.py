"""The same documents in files of every format are the same data."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise import InputError, PartError
from partwise.parts import DataSite
from partwise_data.parts import Pairs, Text
from partwise_data.splits import Shares
from partwise_data.text_files import TextFiles

from .written import BETWEEN, FORMATS, PACKINGS, as_bytes, data_in, divided, packed, texts, write

documents = st.lists(
    # Line breaks stand inside of a document only: around a separator they belong to it.
    st.text(st.sampled_from("aé漢🙂 \t,\"'\\\r\n\x00\u2028\ufeff{"), max_size=40).map(lambda text: f"<{text}>"),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40)
@given(written=documents, form=st.sampled_from(FORMATS), packing=st.sampled_from(PACKINGS))
def test_documents_come_back_from_every_format(
    tmp_path_factory: pytest.TempPathFactory, written: Sequence[str], form: str, packing: str
) -> None:
    if form == "txt":
        written = [text.replace("\x00", "") for text in written]  # which would be no text
    folder = tmp_path_factory.mktemp("written")
    name = write(folder, written, form, packing)
    assert texts(data_in(folder, name, valid=0, test=0, separator=BETWEEN), "train") == written


@pytest.mark.parametrize("packing", PACKINGS)
def test_every_format_gives_the_same_splits_and_the_same_identity(tmp_path: Path, packing: str) -> None:
    written = [f"document {number},\nwith a second line\n\tand a third" for number in range(60)]
    for number, text in enumerate(written):
        (tmp_path / f"{number:02}.md{packing}").write_bytes(packed(text.encode(), packing))
    found = [data_in(tmp_path, f"*.md{packing}", valid=0.2, test=0.2, cut_above=47)]
    for form in FORMATS:
        name = write(tmp_path, written, form, packing)
        found.append(data_in(tmp_path, name, valid=0.2, test=0.2, cut_above=47, separator=BETWEEN))
    splits = [divided(data) for data in found]
    assert all(one == splits[0] for one in splits[1:])
    assert all(splits[0])
    assert len({data.identity() for data in found}) == 1


def data_with_portions(paths: Sequence[Path], **more: Any) -> TextFiles:
    return TextFiles(paths, Shares(0.1, 0.1), portion=100, **more)


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_compressed_document_is_cut_and_portioned_as_a_plain_one(tmp_path: Path, packing: str) -> None:
    text = "".join(f"line {number} of it, 漢字\n" for number in range(500)) + "x" * 300 + "漢" * 300
    path = tmp_path / f"a.txt{packing}"
    path.write_bytes(packed(text.encode(), packing))
    (tmp_path / "plain.txt").write_text(text, encoding="utf-8")
    plain = data_with_portions([tmp_path / "plain.txt"])
    for split in ("train", "valid", "test"):
        assert list(data_with_portions([path]).examples(split)) == list(plain.examples(split))


@pytest.mark.parametrize(
    ("text", "separator", "expected"),
    [
        ("one\ntwo\n\nthree\n", "\n", ["one", "two", "three"]),
        ("one\r\ntwo\r\n", "\n", ["one", "two"]),
        ("one\nstill one\n\n\n\ntwo", "\n\n", ["one\nstill one", "two"]),
        ("\none\n<|endoftext|>\n\ntwo\n<|endoftext|>\n", "<|endoftext|>", ["one", "two"]),
        ("one<|endoftext|", "<|endoftext|>", ["one<|endoftext|"]),
        ("no separator\nhere\n", "---", ["no separator\nhere"]),
        ("\ufeffone|two", "|", ["one", "two"]),
        ("aXYXYb", "XY", ["a", "b"]),
    ],
)
def test_a_text_file_is_cut_at_a_separator(tmp_path: Path, text: str, separator: str, expected: list[str]) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode())
    assert texts(data_in(tmp_path, "a.txt", separator=separator, valid=0, test=0), "train") == expected


@settings(max_examples=40)
@given(
    written=st.lists(st.text("ab|-", min_size=1, max_size=30), min_size=1, max_size=20),
    separator=st.sampled_from(["|", "--", "-|-"]),
    block=st.integers(1, 9),
)
def test_a_separator_is_found_wherever_a_file_is_read_in_pieces(
    tmp_path_factory: pytest.TempPathFactory, written: list[str], separator: str, block: int
) -> None:
    path = tmp_path_factory.mktemp("written") / "a.txt"
    path.write_text(separator.join(written))
    expected = [text for text in path.read_text().split(separator) if text]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("partwise_data.plain_text.PORTION", block)
        data = TextFiles([path], Shares(0, 0), separator=separator)
        found = texts(data, "train") if expected else []
    assert found == expected


def test_rows_without_a_text_are_empty_documents(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"text": ["a", None, "", "b"]}), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text('text,id\n"c",1\n"",2\n\n,3\n"d\n\nd",4\n')
    (tmp_path / "none.txt").touch()
    (tmp_path / "none.jsonl").touch()
    (tmp_path / "none.txt.gz").touch()
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(b""))
    data = data_in(tmp_path, "*", valid=0, test=0)
    assert texts(data, "train") == ["c", "d\n\nd", "a", "b"]
    told = data.survey("train").more
    assert (told["files"], told["left out: empty"]) == (6, 7)


def test_any_text_column_will_do(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    for number, kind in enumerate((pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()))):
        table = pa.table({"other": [1, 2], "body": pa.array([f"{number}a", f"{number}b"]).cast(kind)})
        parquet.write_table(table, tmp_path / f"{number}.parquet")
    data = data_in(tmp_path, "*.parquet", field="body", valid=0, test=0)
    assert texts(data, "train") == ["0a", "0b", "1a", "1b", "2a", "2b"]


def test_files_that_were_put_together_are_read_to_the_end(tmp_path: Path) -> None:
    skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"  # a frame that holds no text
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"one ") + gzip.compress(b"two") + b"\0" * 9000)
    (tmp_path / "b.txt.zst").write_bytes(zstandard.compress(b"three ") + skipped + zstandard.compress(b"four"))
    assert texts(data_in(tmp_path, "*", valid=0, test=0), "train") == ["one two", "three four"]


def test_an_unknown_suffix_is_that_of_a_text(tmp_path: Path) -> None:
    for name in ("code.py", "README", "notes.TXT", "page.html", "notes.gz"):
        content = f"content of {name}".encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert len(texts(data_in(tmp_path, "*", valid=0, test=0), "train")) == 5


@pytest.mark.parametrize(("name", "library"), [("a.parquet", "pyarrow"), ("a.jsonl.zst", "zstandard")])
def test_a_missing_library_is_named_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    (tmp_path / "plain.txt").write_text("text")
    (tmp_path / name).write_bytes(b"never read")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(PartError, match=rf"{name} needs the library {library}.*pip install 'partwise\[corpora\]'"):
        Text(files=("plain.txt", name)).assemble(DataSite(tmp_path))


def test_what_a_separator_does_not_concern_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(as_bytes(["one\n\ntwo"], "jsonl"))
    assert texts(data_in(tmp_path, "a.jsonl", separator="\n\n", valid=0, test=0), "train") == ["one\n\ntwo"]


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_pairs_are_read_from_compressed_files(tmp_path: Path, packing: str) -> None:
    (tmp_path / f"a.tsv{packing}").write_bytes(packed(b"one\tuno\ntwo\tdue\n", packing))
    (tmp_path / f"b.jsonl{packing}").write_bytes(packed(b'{"source": "three", "target": "tre"}\n{"sorce', packing))
    part = Pairs(files=(f"a.tsv{packing}",), valid=0, test=0)
    found = [[piece.text for piece in one.pieces] for one in part.assemble(DataSite(tmp_path)).examples("train")]
    assert found == [["one", "uno"], ["two", "due"]]
    with pytest.raises(InputError, match=rf"b\.jsonl{packing}:2: not JSON"):
        list(Pairs(files=("b*",), valid=0, test=0).assemble(DataSite(tmp_path)).examples("train"))


def test_an_empty_separator_is_refused() -> None:
    with pytest.raises((InputError, ValueError), match="separator"):
        Text(files=("a.txt",), separator="")
