"""The cache of encoded texts: what is read again, what is encoded again, and what damage and failures leave."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from partwise import InputError, WorkError
from partwise.data import Example, Piece, Split, cache_directory, encode

from . import texts
from .texts import END, PAIR, QUERIES, Bytes, Texts, stream


def test_the_second_time_nothing_is_read(tmp_path: Path) -> None:
    data = Texts([PAIR], "examples")
    first, second = (encode(data, Bytes(), "train", tmp_path) for _ in range(2))
    assert data.readings == 1
    assert {name: np.asarray(value).tolist() for name, value in vars(first).items()} == {
        name: np.asarray(value).tolist() for name, value in vars(second).items()
    }


def test_other_data_another_tokenizer_or_another_split_is_encoded_anew(tmp_path: Path) -> None:
    encode(stream("one"), Bytes(), "train", tmp_path)
    other = Texts([Example((Piece("two"),))], name="b")
    assert encode(other, Bytes(), "train", tmp_path).tokens.tolist() == [END, *b"two", END]
    assert encode(stream("one"), Bytes(b"o", 8.0), "train", tmp_path).tokens.tolist() == [END, 257, *b"ne", END]
    assert encode(stream("three"), Bytes(), "valid", tmp_path).tokens.tolist() == [END, *b"three", END]


def entry(cache: Path) -> Path:
    (only,) = (cache / "encoded").iterdir()
    return only


@pytest.mark.parametrize("file", ["tokens", "scored", "bounds", "cuts", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut short", "gone", "longer"])
def test_a_damaged_entry_is_encoded_again(tmp_path: Path, file: str, damage: str) -> None:
    data = Texts([PAIR, QUERIES], "examples")
    encode(data, Bytes(), "train", tmp_path)
    path = entry(tmp_path) / file
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] if damage == "cut short" else path.read_bytes() + b"}")
    again = encode(data, Bytes(), "train", tmp_path)
    assert data.readings == 2
    assert again.tokens.tolist() == [END, *b"abcde", END, *b"kvlw", END]
    encode(data, Bytes(), "train", tmp_path)
    assert data.readings == 2
    entry(tmp_path)


@pytest.mark.parametrize("manifest", ["[]", "{}", '{"files": {"tokens": 1}}', '{"files": []}', '{"files": {}}', "\x00"])
def test_a_manifest_that_says_nothing_is_replaced(tmp_path: Path, manifest: str) -> None:
    encode(stream("one"), Bytes(), "train", tmp_path)
    (entry(tmp_path) / "manifest.json").write_text(manifest)
    assert encode(stream("one"), Bytes(), "train", tmp_path).tokens.tolist() == [END, *b"one", END]


def test_a_reading_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    class Broken(Texts):
        def examples(self, split: Split) -> Iterator[Example]:
            yield Example((Piece("some text"),))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(Broken([]), Bytes(), "train", tmp_path)
    assert list((tmp_path / "encoded").iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    data = stream("some text " * 100_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(WorkError, match=r"cannot write encoded text to .*make room there.*PARTWISE_CACHE"):
            encode(data, Bytes(), "train", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "encoded").iterdir()) == []
    assert encode(data, Bytes(), "train", tmp_path).text_bytes == 1_000_000


def test_what_killed_processes_left_is_swept_up_after_a_day(tmp_path: Path) -> None:
    encode(stream("one"), Bytes(), "train", tmp_path)
    place = entry(tmp_path)
    old, new = (place.with_name(f"{place.name}.{name}.part") for name in ("old", "new"))
    for left in (old, new):
        left.mkdir()
        (left / "tokens").write_bytes(b"1")
    for path in (old / "tokens", old):
        os.utime(path, (time.time() - 90_000,) * 2)
    (place / "tokens").unlink()
    encode(stream("one"), Bytes(), "train", tmp_path)
    assert sorted((tmp_path / "encoded").iterdir()) == [place, new]


def test_a_cache_that_cannot_be_made_is_named_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot make the cache directory .*name another one in PARTWISE_CACHE"):
        encode(stream("one"), Bytes(), "train", tmp_path / "file")


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", "/some/where")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_directory() == Path("/some/where")
    monkeypatch.delenv("PARTWISE_CACHE")
    assert cache_directory() == Path("/xdg/partwise")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_directory() == Path.home() / ".cache" / "partwise"


AT_ONCE = """
import importlib.util, sys, time
from pathlib import Path
from partwise.data.encoding import encode
spec = importlib.util.spec_from_file_location("shared", sys.argv[1])
shared = importlib.util.module_from_spec(spec)
sys.modules["shared"] = shared
spec.loader.exec_module(shared)
cache = Path(sys.argv[2])
(cache / f"ready-{sys.argv[3]}").touch()
while len(list(cache.glob("ready-*"))) < 3:
    time.sleep(0.001)
for number in range(25):
    data = shared.Texts([shared.PAIR] * 50, "examples", str(number))
    encoded = encode(data, shared.Bytes(), "train", cache)
    assert encoded.tokens.tolist() == [256, *[*b"abcde", 256] * 50]
    assert encoded.bounds.tolist() == list(range(0, 301, 6))
"""


def test_processes_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    # A third of the entries is found damaged, which each process then wants to replace.
    for number in range(0, 25, 3):
        encode(Texts([PAIR] * 50, "examples", str(number)), Bytes(), "train", tmp_path)
    for damaged in (tmp_path / "encoded").iterdir():
        (damaged / "tokens").write_bytes(b"")
    command = [sys.executable, "-c", AT_ONCE, texts.__file__, str(tmp_path)]
    running = [subprocess.Popen([*command, str(index)], stderr=subprocess.PIPE) for index in range(3)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert len(list((tmp_path / "encoded").iterdir())) == 25
