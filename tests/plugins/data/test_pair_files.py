"""Pairs of source and target from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from partwise import InputError, PartError
from partwise.data import Piece
from partwise.parts import DataSite
from partwise_data.parts import Pairs

SPLITS = ("train", "valid", "test")


def pairs(data: object, split: str) -> list[tuple[str, str]]:
    found = []
    for example in data.examples(split):  # type: ignore[attr-defined]
        source, target = example.pieces
        assert example.ends
        assert (source.scored, target.scored) == (False, True)
        found.append((source.text, target.text))
    return found


PAIRS = [(f"source {number}", f"target {number}") for number in range(300)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS))
    rows = (json.dumps({"source": source, "target": target, "note": 1}) for source, target in PAIRS)
    (tmp_path / "a.jsonl").write_text("\n\n".join(rows))
    return tmp_path


@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl"])
def test_every_pair_is_in_one_split_and_the_shares_hold(folder: Path, name: str) -> None:
    data = Pairs(files=(name,), valid=0.2, test=0.1).build(DataSite(folder))
    found = {split: pairs(data, split) for split in SPLITS}
    assert sorted(found["train"] + found["valid"] + found["test"]) == sorted(PAIRS)
    assert 35 < len(found["valid"]) < 85
    assert 10 < len(found["test"]) < 55


def test_both_formats_give_the_same(folder: Path) -> None:
    tsv, jsonl = (Pairs(files=(name,)).build(DataSite(folder)) for name in ("a.tsv", "a.jsonl"))
    assert [pairs(tsv, split) for split in SPLITS] == [pairs(jsonl, split) for split in SPLITS]
    assert next(tsv.examples("train")).pieces[0] == Piece(pairs(tsv, "train")[0][0], scored=False)


def test_equal_sources_are_in_the_same_split(tmp_path: Path) -> None:
    lines = [f"source {number % 20}\ttarget {number}\n" for number in range(200)]
    (tmp_path / "a.tsv").write_text("".join(lines))
    data = Pairs(files=("a.tsv",), valid=0.3, test=0.3).build(DataSite(tmp_path))
    sources = [{source for source, _ in pairs(data, split)} for split in SPLITS]
    assert all(sources)
    assert sum(map(len, sources)) == 20


def test_files_of_their_own_serve_a_split_alone(folder: Path) -> None:
    (folder / "v.tsv").write_text("ask\tanswer\n")
    data = Pairs(files=("a.tsv",), valid_files=("v.tsv",), test=0.1).build(DataSite(folder))
    assert pairs(data, "valid") == [("ask", "answer")]
    assert len(pairs(data, "train")) + len(pairs(data, "test")) == len(PAIRS)
    assert pairs(data, "test")
    both = Pairs(files=("a.tsv",), valid_files=("v.tsv",), test_files=("v.tsv",)).build(DataSite(folder))
    assert pairs(both, "train") == PAIRS


def test_a_format_overrules_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ask\tanswer\r\n")
    data = Pairs(files=("a.txt",), format="tsv", valid=0, test=0).build(DataSite(tmp_path))
    assert pairs(data, "train") == [("ask", "answer")]
    with pytest.raises(PartError, match=r'a\.txt does not tell its format; set "format" to "tsv" or "jsonl"'):
        Pairs(files=("a.txt",)).assemble(DataSite(tmp_path))


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("a.tsv", "no tab", "expected a source, one tab and a target, found 0 tabs"),
        ("a.tsv", "one\ttwo\tthree", "found 2 tabs"),
        ("a.tsv", "\ttarget", "the source is empty"),
        ("a.jsonl", '{"source": "a", "target"}', "not JSON: Expecting ':' delimiter at column 25"),
        ("a.jsonl", "[" * 100_000, "nested too deep"),
        ("a.jsonl", '["a", "b"]', 'expected an object with the strings "source" and "target", found .*a'),
        ("a.jsonl", '{"source": "a", "answer": "b"}', '"target" is missing among the keys source, answer'),
        ("a.jsonl", '{"source": "a", "target": 3}', '"target" is the number 3; in quotes it is a string: "3"'),
        ("a.jsonl", '{"source": "a", "target": null}', '"target" is null, so there is none'),
        ("a.jsonl", '{"source": "a", "target": true}', '"target" is true; in quotes'),
        ("a.jsonl", '{"source": ["a"], "target": "b"}', '"source" is the list .*write the text'),
        ("a.jsonl", '{"source": {"a": 1}, "target": "b"}', '"source" is the object'),
        ("a.jsonl", '{"source": ' + "1" * 5000 + "}", "a number that is too long"),
        ("a.jsonl", "null", 'strings "source" and "target", found null'),
    ],
)
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, name: str, line: str, message: str) -> None:
    good = "ask\tanswer" if name == "a.tsv" else '{"source": "ask", "target": "answer"}'
    (tmp_path / name).write_text(f"{good}\n\n{line}\n")
    data = Pairs(files=(name,), valid=0, test=0).build(DataSite(tmp_path))
    with pytest.raises(InputError, match=rf"{name}:3: .*{message}"):
        list(data.examples("train"))


def test_a_byte_that_is_not_utf8_is_named_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"ask\tanswer\ncaf\xe9\tcoffee\n")
    data = Pairs(files=("a.tsv",)).build(DataSite(tmp_path))
    with pytest.raises(InputError, match=r"a\.tsv is not UTF-8 text: byte 14 is 0xe9"):
        list(data.examples("train"))


def test_the_identity_follows_contents_and_roles(folder: Path) -> None:
    (folder / "v.tsv").write_text("ask\tanswer\n")

    def identity(**knobs: object) -> str:
        return Pairs(files=("a.tsv",), **knobs).build(DataSite(folder)).identity()

    first = identity()
    others = [identity(valid=0.2), identity(valid_files=("v.tsv",)), identity(test_files=("v.tsv",))]
    assert len({first, *others}) == 4
    (folder / "v.tsv").write_text("ask\tanother\n")
    assert identity() == first
    assert identity(valid_files=("v.tsv",)) != others[1]
