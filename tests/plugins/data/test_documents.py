"""Texts come as documents: each is in one split, whatever else there is."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise import InputError, PartError
from partwise.parts import DataSite
from partwise_data.holding_out import shares_that_suffice
from partwise_data.parts import Library, Modular, Pairs, Text
from partwise_data.splits import Shares, place_of
from partwise_data.text_files import TextFiles

SPLITS = ("train", "valid", "test")


def texts(data: TextFiles, split: str) -> list[str]:
    assert all(example.ends for example in data.examples(split))
    return [example.pieces[0].text for example in data.examples(split)]


def placed(folder: Path, pattern: str = "*.txt", **knobs: object) -> dict[str, str]:
    """Text -> split; each text has one."""
    data = Text(files=(pattern,), **knobs).build(DataSite(folder))
    found = [(text, split) for split in SPLITS for text in texts(data, split)]
    assert len(dict(found)) == len(set(found))
    return dict(found)


def notes(folder: Path, count: int, size: int = 300) -> list[str]:
    words = random.Random(3)
    written = []
    for number in range(count):
        text = f"note {number}: " + " ".join(words.choice(("tea", "rain", "harbour", "ladder")) for _ in range(60))
        written.append(text[:size])
        (folder / f"n{number:03}.txt").write_text(written[-1])
    return written


def test_three_hundred_short_notes_are_divided_whole(tmp_path: Path) -> None:
    written = notes(tmp_path, 300)
    found = placed(tmp_path)
    assert sorted(found) == sorted(written)
    counts = Counter(found.values())
    # 5 % of 300 is 15, and 99.99 % of binomial draws lie between 3 and 33.
    assert 3 <= counts["valid"] <= 33
    assert 3 <= counts["test"] <= 33


def test_four_hundred_one_line_files_are_never_cut_in_a_word(tmp_path: Path) -> None:
    lines = [f"{number} unbreakable sentences stand here\n" for number in range(400)]
    for number, line in enumerate(lines):
        (tmp_path / f"{number}.txt").write_text(line)
    assert sorted(placed(tmp_path)) == sorted(lines)


def test_adding_files_moves_no_other_document_nor_does_renaming(tmp_path: Path) -> None:
    written = notes(tmp_path, 100)
    before = placed(tmp_path)
    for number in range(50):
        (tmp_path / f"a{number}.txt").write_text(f"another {number}")
    os.rename(tmp_path / "n000.txt", tmp_path / "z.txt")
    after = placed(tmp_path)
    assert {text: after[text] for text in written} == before


def test_equal_documents_are_in_the_same_split_in_whatever_file(tmp_path: Path) -> None:
    written = notes(tmp_path, 100)
    for number, text in enumerate(written):
        mark = b"\xef\xbb\xbf" if number % 2 else b""
        (tmp_path / f"copy{number}.txt").write_bytes(mark + text.encode())
    (tmp_path / "all.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in written))
    data = Text(files=("*.txt", "*.jsonl")).build(DataSite(tmp_path))
    splits = [set(texts(data, split)) for split in SPLITS]
    assert sum(map(len, splits)) == len(set().union(*splits)) == 100
    assert sum(len(texts(data, split)) for split in SPLITS) == 300


def test_json_lines_are_documents(tmp_path: Path) -> None:
    rows = [{"body": f"a document,\nthe {number}th", "id": number} for number in range(200)]
    (tmp_path / "a.jsonl").write_text("\n\n".join(map(json.dumps, rows)) + '\n{"body": ""}\n')
    found = placed(tmp_path, "a.jsonl", field="body", valid=0.2, test=0.2)
    assert sorted(found) == sorted(str(row["body"]) for row in rows)
    assert 20 <= Counter(found.values())["valid"] <= 60


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"body": "x"}', '"text" is missing among the keys body'),
        ('{"text": 3}', '"text" is the number 3; in quotes it is a string: "3"'),
        ('{"text": null}', '"text" is null'),
        ("plain text", "not JSON"),
    ],
)
def test_a_line_without_its_text_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"text": "fine"}}\n{line}\n')
    data = Text(files=("a.jsonl",), valid=0, test=0).build(DataSite(tmp_path))
    with pytest.raises(InputError, match=rf'a\.jsonl:2: .*{message}.*The knob "field"'):
        list(data.examples("train"))


def test_files_of_their_own_serve_a_split_and_are_not_trained_on(tmp_path: Path) -> None:
    written = notes(tmp_path, 40)
    (tmp_path / "copy.txt").write_text(written[0])
    data = Text(files=("*.txt",), valid_files=("n000.txt",), test_files=("n00[1-3].txt",)).build(DataSite(tmp_path))
    assert texts(data, "valid") == written[:1]
    assert texts(data, "test") == written[1:4]
    assert sorted(texts(data, "train")) == sorted(written[4:])  # not even the copy of the first
    with pytest.raises(PartError, match="nothing is left to train on"):
        Text(files=("n000.txt",), valid_files=("n000.txt",)).assemble(DataSite(tmp_path))


def test_sources_of_the_files_of_a_split_are_not_trained_on(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("".join(f"source {number}\tx\n" for number in range(50)))
    (tmp_path / "v.tsv").write_text("source 7\ty\n")
    data = Pairs(files=("*.tsv",), valid_files=("v.tsv",), test=0).build(DataSite(tmp_path))
    sources = [example.pieces[0].text for example in data.examples("train")]
    assert sorted(sources) == sorted(f"source {number}" for number in range(50) if number != 7)


def test_a_split_that_would_be_empty_is_answered_with_what_works(tmp_path: Path) -> None:
    notes(tmp_path, 8)
    with pytest.raises(InputError, match=r"split.* would be empty: there are 8 documents") as caught:
        placed(tmp_path)
    message = str(caught.value)
    assert "_files" in message
    assert '"cut_above" below 300' in message
    advised = dict.fromkeys(("valid", "test"), 0.05)
    for name in advised:
        if f'"{name}" to 0.' in message:
            advised[name] = float(message.split(f'"{name}" to ')[1].split()[0].rstrip(";"))
    assert set(placed(tmp_path, **advised).values()) == set(SPLITS)
    cut = Text(files=("*.txt",), cut_above=299).build(DataSite(tmp_path))
    assert all(texts(cut, split) for split in SPLITS)


@settings(max_examples=50)
@given(keys=st.sets(st.text(max_size=3), min_size=1, max_size=12), valid=st.sampled_from([0.0, 0.01, 0.3]))
def test_shares_that_suffice_do(keys: set[str], valid: float) -> None:
    found = shares_that_suffice(set(map(place_of, keys)), Shares(valid, 0.05))
    if found is not None:
        assert {found.split_of(key) for key in keys} == found.wanted
        assert found.valid >= valid
        assert found.test >= 0.05


def test_every_kind_of_data_answers_for_its_empty_splits(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("one\tuno\ntwo\tdue\n")
    (tmp_path / "only.md").write_text("word")
    for part, message in (
        (Pairs(files=("a.tsv",)), "there are 2 pairs"),
        (Text(files=("only.md",)), "there is one document in .*only.md, of 4 bytes.*too little"),
        (Modular(modulus=2, valid=0.01), "modulus 2 has 4 sums"),
    ):
        with pytest.raises(InputError, match=message):
            list(part.assemble(DataSite(tmp_path)).examples("train"))


def test_no_source_file_of_the_library_stands_in_two_splits() -> None:
    data = Library(text="source").build(DataSite())
    seen = [{example.pieces[0].text for example in data.examples(split)} for split in SPLITS]
    assert sum(map(len, seen)) == len(set().union(*seen))


def test_the_identity_follows_every_knob(tmp_path: Path) -> None:
    notes(tmp_path, 3)
    (tmp_path / "a.jsonl").write_text('{"text": "a", "body": "b"}\n')
    knobs: list[dict[str, object]] = [
        {}, {"field": "body"}, {"cut_above": 7}, {"valid_files": ("n001.txt",)}, {"test_files": ("n001.txt",)},
    ]  # fmt: skip
    found = {Text(files=("*.*",), **one).build(DataSite(tmp_path)).identity() for one in knobs}
    assert len(found) == len(knobs)


def test_that_a_file_is_no_text_is_said_before_that_it_is_short(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(gzip.compress(b"some text"))
    with pytest.raises(InputError, match="it is compressed with gzip"):
        list(Text(files=("a.txt",)).build(DataSite(tmp_path)).examples("train"))
