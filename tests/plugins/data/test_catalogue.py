"""Files are read once to list their documents; the list is kept, stays right, and takes little memory."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import zstandard

from partwise import InputError, WorkError
from partwise_data import decompression
from partwise_data.dividing import repeats
from partwise_data.splits import Shares, place_of

from .written import SPLITS, as_bytes, data_in, divided, texts, write


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("PARTWISE_CACHE", str(folder))
    return folder


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Bytes that are read of each file."""
    counted: Counter[str] = Counter()
    real = decompression.open_bytes

    class Counting:
        def __init__(self, path: Path) -> None:
            self.file, self.name = real(path), path.name

        def __enter__(self) -> Counting:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def seek(self, place: int) -> int:
            return self.file.seek(place)

        def read(self, count: int = -1) -> bytes:
            raw = self.file.read(count)
            counted[self.name] += len(raw)
            return raw

        def readline(self, limit: int = -1) -> bytes:
            raw = self.file.readline(limit)
            counted[self.name] += len(raw)
            return raw

    for module in ("plain_text", "records"):
        monkeypatch.setattr(f"partwise_data.{module}.open_bytes", lambda path: Counting(path))
    return counted


def settled(folder: Path) -> None:
    """Makes files look as if they had not been touched for a while; what tells of changes cannot be set."""
    old = time.time() - 100
    for path in folder.glob("*.*"):
        os.utime(path, (old, old))


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes new files for settled ones, so that their list is kept."""
    monkeypatch.setattr("partwise_data.catalogue.SETTLED", -3600.0)


@pytest.mark.usefixtures("trusting")
def test_each_byte_is_read_once_to_list_it_and_once_more_in_its_split(tmp_path: Path, read: Counter[str]) -> None:
    documents = [f"document {number} " * 50 for number in range(400)]
    names = [write(tmp_path, documents, form) for form in ("jsonl", "csv", "txt")]
    sizes = {name: (tmp_path / name).stat().st_size for name in names}
    knobs = {"separator": "<|endoftext|>", "valid": 0.2, "test": 0.2}
    data = data_in(tmp_path, *names, **knobs)
    data.identity()
    assert all(size <= read[name] <= size + 3 for name, size in sizes.items())  # a mark is looked for
    divided(data)
    assert all(1.9 * size < read[name] < 2.1 * size for name, size in sizes.items())
    read.clear()
    again = data_in(tmp_path, *names, **knobs)
    assert again.identity() == data.identity()
    assert again.survey("train") == data.survey("train")
    assert not read


@pytest.mark.usefixtures("trusting")
def test_a_list_is_not_used_once_a_file_has_changed(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / write(tmp_path, ["one", "two"], "jsonl")
    first = data_in(tmp_path, path.name, valid=0, test=0).identity()
    kept = sorted((cache / "documents").iterdir())
    assert len(kept) == 1
    stat = path.stat()
    path.write_bytes(as_bytes(["one", "TWO"], "jsonl"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # nobody can set back when that was done
    assert data_in(tmp_path, path.name, valid=0, test=0).identity() != first
    assert len(list((cache / "documents").iterdir())) == 2


def test_the_list_of_a_file_that_was_just_written_is_not_kept(tmp_path: Path, cache: Path) -> None:
    name = write(tmp_path, ["one", "two"], "jsonl")
    settled(tmp_path)
    data = data_in(tmp_path, name, valid=0, test=0)
    assert texts(data, "train") == ["one", "two"]
    assert not list((cache / "documents").iterdir())


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("damage", [b"", b"x" * 7, b"x" * 500])
def test_a_damaged_list_is_made_again(tmp_path: Path, cache: Path, damage: bytes) -> None:
    name = write(tmp_path, ["one", "two", "three"], "jsonl")
    before = data_in(tmp_path, name, valid=0, test=0).identity()
    (kept,) = (cache / "documents").iterdir()
    kept.write_bytes(damage)
    again = data_in(tmp_path, name, valid=0, test=0)
    assert again.identity() == before
    assert texts(again, "train") == ["one", "two", "three"]
    assert kept.read_bytes() != damage


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path, cache: Path) -> None:
    (cache / "documents").mkdir(parents=True)
    left = [cache / "documents" / f"{name}.part" for name in ("old", "new")]
    for path in left:
        path.write_bytes(b"half")
    os.utime(left[0], (0, 0))
    data_in(tmp_path, write(tmp_path, ["one"], "jsonl"), valid=0, test=0).identity()
    assert list((cache / "documents").iterdir()) == [left[1]]


def test_a_full_disk_is_told_and_nothing_is_left(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = write(tmp_path, ["one", "two"], "jsonl")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkError, match=r"cannot write the list of documents .*No space left.*PARTWISE_CACHE"):
        data_in(tmp_path, name).identity()
    assert not list((cache / "documents").iterdir())


def test_a_cache_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(InputError, match="cannot make the cache directory"):
        data_in(tmp_path, write(tmp_path, ["one"], "jsonl")).identity()


def test_a_copy_of_a_held_out_document_is_not_trained_on_in_whatever_format(tmp_path: Path) -> None:
    documents = [f"document {number}" for number in range(50)]
    for form in ("jsonl", "parquet", "csv"):
        write(tmp_path, documents, form)
    (tmp_path / "held.txt").write_text(documents[7] + "\n" + documents[9] + "\n")
    (tmp_path / "test.tsv").write_text(f"text\n{documents[11]}\n")
    data = data_in(tmp_path, "a.*", valid_files=("held.txt",), test_files=("test.tsv",), separator="\n")
    assert texts(data, "valid") == [documents[7], documents[9]]
    assert texts(data, "test") == [documents[11]]
    assert Counter(texts(data, "train")) == {
        text: 3 for number, text in enumerate(documents) if number not in (7, 9, 11)
    }
    told = data.survey("train").more
    assert (told["files"], told["left out: held out in other files"]) == (3, 9)
    assert data.survey("train").repeated == 2 * 47


def test_the_survey_counts_what_reading_gives(tmp_path: Path) -> None:
    documents = [f"{number % 70} é " * (number % 7) for number in range(200)]
    data = data_in(tmp_path, write(tmp_path, documents, "parquet"), valid=0.2, test=0.2, cut_above=20)
    for split in SPLITS:
        found, told = texts(data, split), data.survey(split)
        sizes = [len(text.encode()) for text in found]
        assert (told.texts, told.bytes, told.longest) == (len(found), sum(sizes), max(sizes))
    cut = sum(len(text.encode()) > 20 for text in documents)
    assert data.survey("valid").more == {"cut, with the rest in other splits": cut}
    assert cut > 50
    assert data.survey("train").more["left out: empty"] == sum(not text for text in documents)


def test_repeats_are_counted_however_many_documents_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [f"document {number % 600}" for number in range(1000)]
    data = data_in(tmp_path, write(tmp_path, documents, "jsonl"), valid=0.2, test=0.2)
    whole = [data.survey(split) for split in SPLITS]
    monkeypatch.setattr("partwise_data.dividing.COMPARED", 50)
    monkeypatch.setattr("partwise_data.dividing.AT_ONCE", 64)
    assert [data.survey(split) for split in SPLITS] == whole
    assert sum(one.repeated for one in whole) == 400
    assert [len(found) for found in divided(data)] == [one.texts for one in whole]
    assert repeats(data._shared, "train") == whole[0].repeated


def test_many_hashes_are_divided_as_one_by_one(tmp_path: Path) -> None:
    documents = [str(number) for number in range(2000)]
    shares = Shares(0.13, 0.07)
    data = data_in(tmp_path, write(tmp_path, documents, "jsonl"), valid=shares.valid, test=shares.test)
    codes = np.concatenate([codes for _, codes in data._shared.codes()])
    places = data._shared.listed.documents["place"].tolist()
    assert [SPLITS[code] for code in codes] == [shares.split_at(place) for place in places]
    assert place_of("key") < 2**64


MEMORY = """
import resource, sys
from pathlib import Path
from partwise.parts import DataSite
from partwise_data.parts import Text

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def read(name, **knobs):
    data = Text(files=(name,), **knobs).assemble(DataSite(Path(sys.argv[1])))
    return sum(len(example.pieces[0].text) for split in ("train", "valid", "test") for example in data.examples(split))

read("small*")
before = peak()
print(read(sys.argv[2], separator=sys.argv[3] or None), peak() - before)
"""


def grown(folder: Path, name: str, separator: str = "") -> tuple[int, int]:
    """Characters that were read, and bytes that the process grew by."""
    command = [sys.executable, "-c", MEMORY, str(folder), name, separator]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    read, more = map(int, done.stdout.split())
    return read, more


def written_in_pieces(out: BinaryIO, pieces: Iterator[bytes]) -> None:
    with out:
        for piece in pieces:
            out.write(piece)


def opened(path: Path) -> Any:
    if path.suffix == ".gz":
        return gzip.GzipFile(path, "wb", 1)
    return zstandard.open(path, "wb") if path.suffix == ".zst" else path.open("wb")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.zst", "a.jsonl", "a.jsonl.gz", "a.csv.zst", "a.parquet"])
def test_a_large_file_takes_little_memory(tmp_path: Path, name: str) -> None:
    for form in ("jsonl", "csv", "parquet", "txt"):
        for packing in ("", ".gz", ".zst"):
            small = write(tmp_path, [f"a document {number}" for number in range(200)], form, packing)
            (tmp_path / small).rename(tmp_path / f"small-{small}")
    documents = [f"{number} " + "a line of text, 漢字\n" * 300 for number in range(400)]
    form = name.split(".")[1]
    if form == "parquet":
        (tmp_path / name).write_bytes(as_bytes([f"{n} {text}" for n in range(20) for text in documents], form))
    else:
        first, *others = (
            as_bytes(documents, form).split(b"\n", 1) if form == "csv" else (b"", as_bytes(documents, form))
        )
        header = first + b"\n" if form == "csv" else b""
        written_in_pieces(opened(tmp_path / name), iter([header, *others * 20]))
    characters, more = grown(tmp_path, name)
    assert characters > 45_000_000
    assert more < 60_000_000


@pytest.mark.exhaustive
def test_twenty_thousand_files_take_little_memory(tmp_path: Path) -> None:
    for number in range(20_000):
        folder = tmp_path / f"{number // 1000:02}"
        if number % 1000 == 0:
            folder.mkdir()
        (folder / f"{number}.txt").write_text(f"document {number}")
    write(tmp_path, [f"a document {number}" for number in range(200)], "jsonl")
    (tmp_path / "a.jsonl").rename(tmp_path / "small.jsonl")
    characters, more = grown(tmp_path, "*/*.txt")
    assert characters == sum(len(f"document {number}") for number in range(20_000))
    assert more < 100_000_000
