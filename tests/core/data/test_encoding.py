"""Encoding a split once, and reading it from the cache."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from partwise import InputError, WorkError
from partwise.data import Example, Piece, Split
from partwise.data.cache import cache_directory
from partwise.data.encoded import data_hash
from partwise.data.encoding import encode, training_texts

END = 256


class Bytes:
    """A tokenizer of bytes, some of which it may not know."""

    vocab_size = 258
    end = END
    unknown: int | None = None
    unknown_bits: float | None = None
    lossless = True

    def __init__(self, strange: bytes = b"", bits: float | None = None) -> None:
        self.strange = strange
        if strange:
            self.unknown, self.unknown_bits = 257, bits

    def encode(self, text: str) -> list[int]:
        return [257 if byte in self.strange else byte for byte in text.encode("utf-8", "replace")]

    def decode(self, ids: list[int]) -> str:
        return bytes(token for token in ids if token < 256).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        return bytes([token]) if token < 256 else b""

    def label(self, token: int) -> str:
        return str(token)

    def to_json(self) -> dict[str, Any]:
        return {"strange": list(self.strange), "bits": self.unknown_bits}


class Texts:
    """Data that counts how often it is read."""

    def __init__(
        self, examples: list[Example], form: Literal["stream", "examples"] = "stream", name: str = "a"
    ) -> None:
        self.given = examples
        self.form = form
        self.name = name
        self.readings = 0

    def examples(self, split: Split) -> Iterator[Example]:
        self.readings += 1
        return iter(self.given)

    def identity(self) -> str:
        return self.name


def stream(*texts: str) -> Texts:
    return Texts([Example((Piece(text),)) for text in texts])


PAIR = Example((Piece("ab", scored=False), Piece("cde")))
QUERIES = Example((Piece("k", scored=False), Piece("v"), Piece("l", scored=False), Piece("w"), Piece("", scored=False)))


# --- what is encoded -----------------------------------------------------------------------------------


def test_a_stream_is_its_texts_with_end_tokens_around_each(tmp_path: Path) -> None:
    encoded = encode(stream("ab", "", "é"), Bytes(), "train", tmp_path)
    assert encoded.tokens.tolist() == [END, *b"ab", END, END, *"é".encode(), END]
    assert isinstance(encoded.tokens, np.memmap)
    assert (encoded.scored, encoded.bounds, encoded.cuts) == (None, None, None)
    assert (encoded.scored_tokens, encoded.text_bytes, encoded.unknowns) == (7, 4, 0)
    assert (encoded.name, encoded.form) == ("train", "stream")


def test_portions_of_one_text_are_joined(tmp_path: Path) -> None:
    portions = Texts([Example((Piece("ab"),), ends=False), Example((Piece("cd"),)), Example((Piece("e"),), ends=False)])
    assert encode(portions, Bytes(), "train", tmp_path).tokens.tolist() == [END, *b"abcd", END, *b"e", END]


def test_examples_keep_their_bounds_and_what_is_scored(tmp_path: Path) -> None:
    single = Example((Piece("z"),))
    encoded = encode(Texts([PAIR, QUERIES, single], "examples"), Bytes(), "valid", tmp_path)
    assert encoded.tokens.tolist() == [END, *b"abcde", END, *b"kvlw", END, *b"z", END]
    assert encoded.scored is not None
    assert encoded.scored.astype(int).tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1]
    assert encoded.bounds is not None
    assert encoded.bounds.tolist() == [0, 6, 11, 13]
    assert encoded.cuts is not None
    assert encoded.cuts.tolist() == [3, -1, -1]
    assert (encoded.scored_tokens, encoded.text_bytes) == (8, 6)


@pytest.mark.parametrize("form", ["stream", "examples"])
def test_a_split_of_nothing_is_one_end_token(tmp_path: Path, form: Literal["stream", "examples"]) -> None:
    for _ in range(2):
        encoded = encode(Texts([], form), Bytes(), "test", tmp_path)
        assert encoded.tokens.tolist() == [END]
        assert encoded.scored_tokens == 0
        assert encoded.bits_per_byte(1.0) is None
        assert encoded.cuts is None or len(encoded.cuts) == 0


@pytest.mark.parametrize("flags", [[True, True], [True, False], [False, False], [False, True, True], [True]])
def test_what_is_not_read_and_then_scored_is_no_pair(tmp_path: Path, flags: list[bool]) -> None:
    example = Example(tuple(Piece("ab", flag) for flag in flags))
    encoded = encode(Texts([example, PAIR], "examples"), Bytes(), "train", tmp_path)
    assert encoded.cuts is not None
    assert encoded.cuts.tolist() == [-1, 2 * len(flags) + 4]


def test_more_than_a_portion_is_written_as_it_is(tmp_path: Path) -> None:
    texts = [f"{number} " * 1000 for number in range(300)]
    examples = [Example((Piece(text[:7], scored=False), Piece(text[7:]))) for text in texts]
    encoded = encode(Texts(examples, "examples"), Bytes(), "train", tmp_path)
    assert encoded.bounds is not None
    assert encoded.cuts is not None
    assert len(encoded.tokens) > 1 << 20
    for index in (0, 1, 137, 299):
        row = encoded.tokens[encoded.bounds[index] : encoded.bounds[index + 1] + 1].tolist()
        assert row == [END, *texts[index].encode(), END]
        assert encoded.cuts[index] == encoded.bounds[index] + 8


@pytest.mark.parametrize(("size", "kind"), [(65_536, np.uint16), (65_537, np.uint32)])
def test_ids_take_two_bytes_where_the_vocabulary_fits(tmp_path: Path, size: int, kind: type) -> None:
    tokenizer = Bytes()
    tokenizer.vocab_size, tokenizer.end = size, size - 1
    encoded = encode(stream("a"), tokenizer, "train", tmp_path)
    assert encoded.tokens.dtype == kind
    assert encoded.tokens.tolist() == [size - 1, 97, size - 1]


def test_a_lone_surrogate_does_no_harm(tmp_path: Path) -> None:
    assert encode(stream("a\ud800b"), Bytes(), "train", tmp_path).text_bytes == 5


def test_tokenizers_train_on_every_piece() -> None:
    assert list(training_texts(Texts([PAIR, QUERIES], "examples"))) == ["ab", "cde", "k", "v", "l", "w", ""]


# --- bits per byte -------------------------------------------------------------------------------------


def test_bits_per_byte_are_those_of_the_whole_message(tmp_path: Path) -> None:
    encoded = encode(stream("héllo", "w"), Bytes(), "train", tmp_path)
    # 7 bytes and 2 ends, each at log2(256) bits, for 7 bytes of text.
    assert encoded.bits_per_byte(math.log(256)) == pytest.approx(9 * 8 / 7)


def test_only_scored_text_counts(tmp_path: Path) -> None:
    encoded = encode(Texts([PAIR], "examples"), Bytes(), "train", tmp_path)
    assert encoded.bits_per_byte(math.log(2)) == pytest.approx(4 / 3)


def test_unknowns_are_paid_for_and_only_in_scored_text(tmp_path: Path) -> None:
    pair = Example((Piece("xx", scored=False), Piece("axxb")))
    encoded = encode(Texts([pair], "examples"), Bytes(b"x", bits=20.0), "train", tmp_path)
    assert encoded.unknowns == 2
    assert encoded.bits_per_byte(math.log(2)) == pytest.approx((5 + 2 * 20) / 4)


def test_there_is_no_figure_where_the_text_cannot_be_had_back(tmp_path: Path) -> None:
    assert encode(stream("axb"), Bytes(b"x", bits=None), "train", tmp_path).bits_per_byte(1.0) is None
    assert encode(stream("ab"), Bytes(b"x", bits=None), "test", tmp_path).bits_per_byte(1.0) is not None
    lossy = Bytes()
    lossy.lossless = False
    assert encode(stream("axb"), lossy, "valid", tmp_path).bits_per_byte(1.0) is None


# --- the cache -----------------------------------------------------------------------------------------


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
    os.utime(old, (time.time() - 90_000,) * 2)
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
    command = [sys.executable, "-c", AT_ONCE, __file__, str(tmp_path)]
    running = [subprocess.Popen([*command, str(index)], stderr=subprocess.PIPE) for index in range(3)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert len(list((tmp_path / "encoded").iterdir())) == 25


# --- scale ---------------------------------------------------------------------------------------------


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from partwise.data.encoding import encode
from partwise.parts import DataSite
from partwise_data.parts import Text

class Tokenizer:
    vocab_size, end, unknown, unknown_bits, lossless = 60_000, 59_999, None, None, True

    def encode(self, text):  # as many tokens, and as large, as a vocabulary of such a size would give
        return (np.frombuffer(text.encode(), np.uint8)[::4].astype(np.int64) * 233).tolist()

    def to_json(self):
        return {}

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def encoded(name):
    data = Text(files=(name,), valid=0, test=0).build(DataSite(Path(sys.argv[1])))
    return encode(data, Tokenizer(), "train", Path(sys.argv[1]))

encoded("small.txt")
before = peak()
print(encoded("large.txt").text_bytes, peak() - before)
"""


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    line = "a line of text that is not very long, and another one, 漢字\n"
    (tmp_path / "small.txt").write_text(line * 100, encoding="utf-8")
    with (tmp_path / "large.txt").open("w", encoding="utf-8") as file:
        for _ in range(50):
            file.write(line * 17_000)
    size = (tmp_path / "large.txt").stat().st_size
    assert size > 50_000_000
    done = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True)
    encoded, grown = map(int, done.stdout.split())
    assert encoded == size
    assert grown < 40_000_000


def test_the_data_hash_is_that_of_the_texts(tmp_path: Path) -> None:
    one = encode(stream("one", "two"), Bytes(), "train", tmp_path)
    renamed = encode(Texts([*stream("one", "two").given], name="b"), Bytes(b"o", 1.0), "train", tmp_path)
    assert one.data_hash == renamed.data_hash
    others = [
        Texts([*stream("onetwo").given], name="c"),
        Texts([*stream("one", "two", "").given], name="d"),
        Texts([Example((Piece("one"),)), Example((Piece("two", scored=False),))], "examples", name="e"),
        Texts([Example((Piece("one"), Piece("two")))], name="f"),
    ]
    hashes = {one.data_hash, *(encode(other, Bytes(), "train", tmp_path).data_hash for other in others)}
    assert len(hashes) == 5
    assert data_hash({"train": one}) == data_hash({"train": renamed})
    assert data_hash({"train": one}) != data_hash({"valid": one})
