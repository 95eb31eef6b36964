"""Processes that encode for tokenizers which hold Python's global lock: the same result, and one clear error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partwise import InputError, WorkError
from partwise.data import Example, Piece, chunks, encode, encoder
from partwise.parts import TokenizerSite
from partwise_tokenizers.parts import Word
from partwise_tokenizers.word import WordTokenizer

from .test_going_on import numbered, same
from .texts import Texts

TEXTS = [Example((Piece(f"the cat number {number} sat on the mat. " * 25),)) for number in range(40)]


def word() -> Any:
    return Word(min_count=1).build(TokenizerSite(lambda: ["the cat sat on the mat. number 1 2 3"]))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 1000)
    monkeypatch.setattr(encoder, "ALONE", 3000)
    monkeypatch.setenv("PARTWISE_WORKERS", "2")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[encoder.EncodingProcess]:
    """The processes that were started."""
    found: list[encoder.EncodingProcess] = []

    class Noted(encoder.EncodingProcess):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            found.append(self)

    monkeypatch.setattr(encoder, "EncodingProcess", Noted)
    return found


def test_the_result_is_that_of_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[encoder.EncodingProcess]
) -> None:
    several = encode(Texts(TEXTS), word(), "train", tmp_path / "several")
    assert 1 <= len(started) <= 2
    assert all(process._process.returncode is not None for process in started)
    monkeypatch.setenv("PARTWISE_WORKERS", "1")
    assert same(several, encode(Texts(TEXTS), word(), "train", tmp_path / "one"))
    assert several.unknowns > 0
    assert len(started) <= 2


def test_a_few_texts_start_no_process(tmp_path: Path, started: list[encoder.EncodingProcess]) -> None:
    encode(Texts(TEXTS[:3]), word(), "train", tmp_path)
    assert started == []


class Local:
    """A tokenizer that no other process can import, since it is made here."""

    def __new__(cls) -> Any:
        class Here(type(word())):  # type: ignore[misc]
            pass

        made = word()
        made.__class__ = Here
        return made


def test_a_tokenizer_that_cannot_be_sent_encodes_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[encoder.EncodingProcess]
) -> None:
    found = encode(Texts(TEXTS), Local(), "train", tmp_path / "several")
    assert started == []
    monkeypatch.setenv("PARTWISE_WORKERS", "1")
    assert same(found, encode(Texts(TEXTS), word(), "train", tmp_path / "one"))


def test_a_process_that_is_killed_is_one_clear_error_and_what_was_encoded_is_kept(
    tmp_path: Path, started: list[encoder.EncodingProcess]
) -> None:
    def kill() -> None:
        if started:
            os.kill(started[0]._process.pid, signal.SIGKILL)

    texts = Watched(TEXTS, 20, kill)
    with pytest.raises(WorkError, match=r"killed by the signal SIGKILL, as happens when memory runs out.*start again"):
        encode(texts, word(), "train", tmp_path)
    assert all(process._process.returncode is not None for process in started)
    lines: list[str] = []
    again = encode(Texts(TEXTS), word(), "train", tmp_path, say=lines.append)
    assert lines[0].startswith("going on with the train split: ")
    assert same(again, encode(Texts(TEXTS), word(), "train", tmp_path / "other"))


class Watched(Texts):
    """Calls something before each text from some on."""

    def __init__(self, given: list[Example], after: int, call: Callable[[], None]) -> None:
        super().__init__(given)
        self.after, self.call = after, call

    def examples(self, split: Any) -> Any:
        for number, example in enumerate(self.given):
            if number >= self.after:
                self.call()
            yield example


class Choking(WordTokenizer):
    """Fails at one of the texts."""

    def encode(self, text: str) -> list[int]:
        if "number 30 " in text:
            raise ValueError("it chokes")
        return super().encode(text)


def test_an_error_of_the_tokenizer_arrives_with_the_place_where_it_arose(
    tmp_path: Path, started: list[encoder.EncodingProcess]
) -> None:
    with pytest.raises(WorkError, match="the tokenizer failed: ValueError: it chokes") as caught:
        encode(Texts(TEXTS), Choking(["the", "cat"], False, True), "train", tmp_path)
    assert started
    assert "in encode\n" in caught.value.__notes__[0]
    assert list((tmp_path / "encoded").iterdir()) == []


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", "²"])
def test_a_number_of_workers_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("PARTWISE_WORKERS", given)
    with pytest.raises(InputError, match=r"PARTWISE_WORKERS is .*; it is the number of threads or processes"):
        encode(Texts(numbered(1)), word(), "train", tmp_path)


SCRIPT = """
import sys
from pathlib import Path
from partwise.data import Example, Piece, chunks, encode, encoder
from partwise.parts import TokenizerSite
from partwise_tokenizers.parts import Word
print("once")
chunks.CHUNK, encoder.ALONE = 1000, 1000

class Data:
    form = "stream"
    def examples(self, split):
        for number in range(30):
            yield Example((Piece(f"the cat number {number} " * 50),))
    def identity(self):
        return "x"

tokenizer = Word(min_count=1).build(TokenizerSite(lambda: ["the cat number 1"]))
print(encode(Data(), tokenizer, "train", Path(sys.argv[1])).scored_tokens)
"""


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["once", str(30 * 201)]
    assert done.stderr == ""
