"""Running text from files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise import InputError, PartError
from partwise.parts import DataSite
from partwise_data.parts import Text
from partwise_data.splits import Shares
from partwise_data.text_files import TextFiles

from .written import SPLITS, texts


def test_a_hundred_lines_are_divided_as_the_shares_say(tmp_path: Path) -> None:
    lines = [f"line {number:04}\n" for number in range(100)]
    (tmp_path / "a.txt").write_text("".join(lines))
    data = Text(files=("a.txt",), valid=0.1, test=0.2).build(DataSite(tmp_path))
    assert texts(data, "train") == ["".join(lines[:70])]
    assert texts(data, "valid") == ["".join(lines[70:80])]
    assert texts(data, "test") == ["".join(lines[80:])]


def test_only_long_files_are_cut_when_there_are_several(tmp_path: Path) -> None:
    for name, lines in (("b.txt", 10), ("a.txt", 10), ("short.txt", 1)):
        (tmp_path / name).write_text("".join(f"{name} {number}\n" for number in range(lines)))
    data = Text(files=("*.txt",), valid=0.2, test=0.2, cut_above=50).build(DataSite(tmp_path))
    long = [[text[:5] for text in texts(data, split) if text[:5] != "short"] for split in SPLITS]
    assert long == [["a.txt", "b.txt"]] * 3
    assert [text.split("\n")[0] for text in texts(data, "test")][:2] == ["a.txt 8", "b.txt 8"]
    assert sum(texts(data, split).count("short.txt 0\n") for split in SPLITS) == 1


@settings(max_examples=60)
@given(
    lines=st.lists(st.text(st.sampled_from("aé漢🙂 \r"), max_size=8), min_size=1, max_size=30),
    valid=st.sampled_from([0.0, 0.1, 0.5]),
    test=st.sampled_from([0.0, 0.05, 0.4]),
    portion=st.integers(8, 64),
)
def test_the_splits_make_up_the_file_whatever_the_portions(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], valid: float, test: float, portion: int
) -> None:
    path = tmp_path_factory.mktemp("text") / "a.txt"
    text = "\n".join(lines)
    path.write_bytes(text.encode())
    data = TextFiles((path,), Shares(valid, test), portion=portion)
    data._checked = None  # a few lines may be too little for three splits, which are told of elsewhere
    parts = ["".join(texts(data, split)) for split in SPLITS]
    assert "".join(parts) == text
    assert not (valid == 0 and parts[1])
    assert not (test == 0 and parts[2])
    for before in (parts[0], parts[0] + parts[1]):
        assert before in ("", text) or before.endswith("\n") or "\n" not in text[len(before) : -1]


def test_one_long_line_is_divided_between_characters(tmp_path: Path) -> None:
    text = "漢字🙂é" * 50_000
    (tmp_path / "a.txt").write_text(text, encoding="utf-8", newline="")
    data = Text(files=("a.txt",), valid=0.1, test=0.1).build(DataSite(tmp_path))
    parts = ["".join(texts(data, split)) for split in SPLITS]
    assert "".join(parts) == text
    assert [round(len(part) / len(text), 2) for part in parts] == [0.8, 0.1, 0.1]


@pytest.mark.parametrize("end", ["", "\n"])
def test_one_line_of_words_is_divided_between_words(tmp_path: Path, end: str) -> None:
    text = " ".join(f"word{number}" for number in range(100)) + end
    (tmp_path / "a.txt").write_text(text)
    data = Text(files=("a.txt",), valid=0.1, test=0.1).build(DataSite(tmp_path))
    parts = ["".join(texts(data, split)) for split in SPLITS]
    assert "".join(parts) == text
    assert all(part.split()[0].startswith("word") and part.split()[-1] in text.split() for part in parts)
    assert [round(len(part) / len(text), 1) for part in parts] == [0.8, 0.1, 0.1]


def test_a_large_file_comes_in_portions_that_end_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a line of text\n" * 200_000)
    examples = list(Text(files=("a.txt",)).build(DataSite(tmp_path)).examples("train"))
    assert [example.ends for example in examples] == [False, False, True]
    assert all(len(example.pieces[0].text) <= 1 << 20 for example in examples)
    assert all(example.pieces[0].text.endswith("\n") for example in examples)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\ntwo\n")
    assert texts(Text(files=("a.txt",), valid=0, test=0).build(DataSite(tmp_path)), "train") == ["one\ntwo\n"]


def test_names_come_in_the_order_given_each_once(tmp_path: Path) -> None:
    for name in ("c.txt", "a.txt", "sub/b.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    files = Text(files=("c.txt", "**/*.txt", str(tmp_path / "a.txt"))).build(DataSite(tmp_path)).files
    assert [path.name for path in files] == ["c.txt", "a.txt", "b.txt"]


def test_a_name_with_the_signs_of_a_glob_is_found_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data[1].txt").write_text("text")
    assert [path.name for path in Text(files=("data[1].txt",)).build(DataSite(tmp_path)).files] == ["data[1].txt"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("imput.txt", r"no file .*imput\.txt, did you mean 'input\.txt'\?; .*relative to the recipe"),
        ("no/such/place.txt", "nor a directory .*no/such"),
        ("*.csv", r"no file matches '\*\.csv' in .*relative to the recipe"),
        ("sub", r"is a directory; name the files in it, for example 'sub/\*\.txt'"),
        ("empty.txt", r"empty\.txt is empty"),
        ("pipe", r"pipe is no regular file.*put them into a file"),
        ("empty*", r"only empty files or directories match 'empty\*'"),
    ],
)
def test_files_that_cannot_serve_are_named_with_the_fix(tmp_path: Path, pattern: str, message: str) -> None:
    (tmp_path / "input.txt").write_text("text")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PartError, match=message):
        Text(files=(pattern,)).assemble(DataSite(tmp_path))


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("text")

    # (root may read everything, so permissions themselves would not do)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PartError, match=r"cannot read .*a\.txt: Permission denied; check its permissions"):
        Text(files=("a.txt",)).assemble(DataSite(tmp_path))


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"fine\n" * 300_000])
def test_a_byte_that_is_not_utf8_is_named_by_its_place_in_the_file(tmp_path: Path, before: bytes) -> None:
    (tmp_path / "latin.txt").write_bytes(before + b"caf\xe9 au lait\n")
    data = Text(files=("latin.txt",), valid=0, test=0).build(DataSite(tmp_path))
    place = len(before) + 3
    with pytest.raises(InputError, match=rf"latin\.txt is not UTF-8 text: byte {place} is 0xe9 .*iconv -f LATIN1"):
        list(data.examples("train"))


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="leave nothing to train on"):
        Text(files=("a.txt",), valid=0.5, test=0.5)


def test_the_identity_follows_the_contents_not_the_date_or_the_place(tmp_path: Path) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text("some text\n")

    def identity(folder: str) -> str:
        return Text(files=("a.txt",)).build(DataSite(tmp_path / folder)).identity()

    first = identity("here")
    assert identity("there") == first
    os.utime(tmp_path / "here" / "a.txt", ns=(1, 1))
    assert identity("here") == first
    (tmp_path / "here" / "a.txt").write_text("same text\n")
    assert identity("here") != first
    assert Text(files=("a.txt",), valid=0.2).build(DataSite(tmp_path / "there")).identity() != first
