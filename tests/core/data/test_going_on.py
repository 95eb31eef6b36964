"""An encoding that was interrupted: what it leaves, and how the next one goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from partwise.data import EncodedSplit, Example, Piece, Split, chunks, encode

from . import texts as shared
from .texts import Bytes, Texts

PORTION = 1000


class Counting(Bytes):
    """Counts the characters that it encodes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded = 0

    def encode(self, text: str) -> list[int]:
        self.encoded += len(text)
        return super().encode(text)


def numbered(count: int = 40) -> list[Example]:
    return [Example((Piece(f"{number:05d}" * (PORTION // 5)),)) for number in range(count)]


class Interrupted(Texts):
    """Is interrupted after some texts."""

    def __init__(self, given: list[Example], after: int, error: BaseException) -> None:
        super().__init__(given)
        self.after, self.error = after, error

    def examples(self, split: Split) -> Iterator[Example]:
        yield from self.given[: self.after]
        raise self.error


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", PORTION)
    monkeypatch.setenv("PARTWISE_WORKERS", "1")


def interrupted(cache: Path, after: int = 25) -> Path:
    with pytest.raises(KeyboardInterrupt):
        encode(Interrupted(numbered(), after, KeyboardInterrupt()), Bytes(), "train", cache)
    (left,) = (cache / "encoded").iterdir()
    return left


def same(one: EncodedSplit, other: EncodedSplit) -> bool:
    return all(np.array_equal(value, getattr(other, name)) for name, value in vars(one).items() if value is not None)


def test_the_next_one_encodes_only_what_is_missing(tmp_path: Path) -> None:
    interrupted(tmp_path)
    lines: list[str] = []
    tokenizer = Counting()
    again = encode(Texts(numbered()), tokenizer, "train", tmp_path, say=lines.append)
    assert tokenizer.encoded == 15 * PORTION
    assert lines == ["going on with the train split: 25.0 kB are encoded already"]
    assert same(again, encode(Texts(numbered()), Bytes(), "train", tmp_path / "other"))
    assert [path.name for path in (tmp_path / "encoded").iterdir()] == [again_name(tmp_path)]


def again_name(cache: Path) -> str:
    (entry,) = (cache / "encoded").iterdir()
    assert {path.name for path in entry.iterdir()} == {"tokens", "manifest.json"}
    return entry.name


@pytest.mark.parametrize("file", ["tokens", "journal"])
@pytest.mark.parametrize("damage", ["cut short", "longer", "changed", "gone", "no text"])
def test_what_is_damaged_is_encoded_again(tmp_path: Path, file: str, damage: str) -> None:
    place = interrupted(tmp_path) / file
    content = place.read_bytes()
    at = len(content) // 2
    changes = {
        "cut short": content[: at + 3],
        "longer": content + b"\0{",
        "changed": content[:at] + b"\xff" + content[at + 1 :],
        "no text": b"\xff\xfe\0",
    }
    if damage == "gone":
        place.unlink()
    else:
        place.write_bytes(changes[damage])
    tokenizer = Counting()
    again = encode(Texts(numbered()), tokenizer, "train", tmp_path)
    assert same(again, encode(Texts(numbered()), Bytes(), "train", tmp_path / "other"))
    assert tokenizer.encoded >= (15 if damage == "longer" else 16) * PORTION


def test_texts_that_have_changed_since_are_encoded_again(tmp_path: Path) -> None:
    interrupted(tmp_path)
    changed = numbered()
    changed[10] = Example((Piece("x" * PORTION),))
    tokenizer = Counting()
    again = encode(Texts(changed), tokenizer, "train", tmp_path)
    assert tokenizer.encoded == 30 * PORTION
    assert same(again, encode(Texts(changed), Bytes(), "train", tmp_path / "other"))


def test_fewer_texts_than_before_leave_nothing_of_the_others(tmp_path: Path) -> None:
    interrupted(tmp_path)
    again = encode(Texts(numbered(7)), Bytes(), "train", tmp_path)
    assert same(again, encode(Texts(numbered(7)), Bytes(), "train", tmp_path / "other"))


@pytest.mark.parametrize("error", [ValueError("broken"), OSError(5, "broken")])
def test_an_error_leaves_nothing(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        encode(Interrupted(numbered(), 25, error), Bytes(), "train", tmp_path)
    assert list((tmp_path / "encoded").iterdir()) == []


def test_examples_go_on_with_all_their_files(tmp_path: Path) -> None:
    pairs = [Example((Piece("a" * 400, scored=False), Piece(f"{number:0700d}"))) for number in range(10)]
    broken = Interrupted(pairs, 6, KeyboardInterrupt())
    broken.form = "examples"
    with pytest.raises(KeyboardInterrupt):
        encode(broken, Bytes(), "train", tmp_path)
    tokenizer = Counting()
    again = encode(Texts(pairs, "examples"), tokenizer, "train", tmp_path)
    assert tokenizer.encoded == 4 * 1100
    assert same(again, encode(Texts(pairs, "examples"), Bytes(), "train", tmp_path / "other"))


KILLED = """
import importlib.util, os, sys, time
from pathlib import Path
from partwise.data import chunks, encode
spec = importlib.util.spec_from_file_location("shared", sys.argv[1])
shared = importlib.util.module_from_spec(spec)
sys.modules["shared"] = shared
spec.loader.exec_module(shared)
chunks.CHUNK = 1000

class Slow(shared.Bytes):
    def encode(self, text):
        time.sleep(0.02)
        return super().encode(text)

texts = shared.stream(*(f"{number:05d}" * 200 for number in range(40)))
encode(texts, Slow(), "train", Path(sys.argv[2]))
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal")
def test_a_killed_process_is_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_WORKERS", "2")
    running = subprocess.Popen([sys.executable, "-c", KILLED, shared.__file__, str(tmp_path)])
    deadline = time.monotonic() + 60
    while not (begun := [*tmp_path.glob("encoded/*/journal")]) or begun[0].read_bytes().count(b"\n") < 5:
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    done = begun[0].read_bytes().count(b"\n")
    tokenizer = Counting()
    again = encode(Texts(numbered()), tokenizer, "train", tmp_path)
    assert tokenizer.encoded <= (40 - done) * PORTION
    assert same(again, encode(Texts(numbered()), Bytes(), "train", tmp_path / "other"))
    again_name(tmp_path)


def test_a_process_waits_for_the_one_that_encodes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_WORKERS", "2")
    running = subprocess.Popen([sys.executable, "-c", KILLED, shared.__file__, str(tmp_path)])
    deadline = time.monotonic() + 60
    while not [*tmp_path.glob("encoded/*/journal")]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    lines: list[str] = []
    tokenizer = Counting()
    found = encode(Texts(numbered()), tokenizer, "train", tmp_path, say=lines.append)
    assert running.wait(60) == 0
    assert tokenizer.encoded == 0
    assert lines == ["another process encodes the train split of these texts; waiting for it"]
    assert found.text_bytes == 40 * PORTION


def test_what_can_be_gone_on_with_is_kept_for_a_week(tmp_path: Path) -> None:
    left = interrupted(tmp_path)
    for days, kept in ((6, True), (8, False)):
        for path in (*left.iterdir(), left):
            os.utime(path, (time.time() - days * 86_400,) * 2)
        encode(Texts(numbered(1), name=f"other {days}"), Bytes(), "train", tmp_path)
        assert left.exists() is kept
