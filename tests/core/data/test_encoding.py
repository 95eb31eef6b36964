"""Which tokens a split becomes, and how much memory that takes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from partwise import InputError
from partwise.data import IGNORED, Batches, Example, Piece, encode, training_texts

from .texts import END, PAIR, QUERIES, Bytes, Texts, stream


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


@pytest.mark.parametrize("flags", [[True, True], [True, False], [False, False], [False, True, False], [True]])
def test_what_is_not_read_and_then_scored_is_no_pair(tmp_path: Path, flags: list[bool]) -> None:
    example = Example(tuple(Piece("ab", flag) for flag in flags))
    encoded = encode(Texts([example, PAIR], "examples"), Bytes(), "train", tmp_path)
    assert encoded.cuts is not None
    assert encoded.cuts.tolist() == [-1, 2 * len(flags) + 4]


def test_several_pieces_that_are_read_and_then_several_that_are_scored_are_a_pair(tmp_path: Path) -> None:
    example = Example((Piece("ab", False), Piece("c", False), Piece("d"), Piece("ef")))
    encoded = encode(Texts([example], "examples"), Bytes(), "train", tmp_path)
    assert encoded.cuts is not None
    assert encoded.cuts.tolist() == [4]


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


LABELLED = Example(
    (Piece("k", scored=False), Piece("v", read=False), Piece("lm", scored=False), Piece("w", read=False))
)


def test_a_label_is_the_target_where_the_token_before_it_is_read_and_is_not_read_itself(tmp_path: Path) -> None:
    plain = Example((Piece("xyz", scored=False), Piece("u")))
    encoded = encode(Texts([LABELLED, plain], "examples"), Bytes(), "train", tmp_path)
    (batch,) = Batches({"train": encoded}, "sequence", 5, END).evaluation("train", 2)
    assert batch.tokens.tolist() == [[END, *b"klm", END], [END, *b"xyzu"]]
    assert batch.targets.tolist() == [[IGNORED, *b"v", IGNORED, *b"w", IGNORED], [IGNORED] * 3 + [*b"u", END]]
    assert batch.padding is not None
    assert batch.padding.tolist() == [[True] * 4 + [False], [True] * 5]
    assert int(batch.scored) == encoded.scored_tokens == 4


def test_labels_take_no_place_in_the_context(tmp_path: Path) -> None:
    encoded = encode(Texts([LABELLED], "examples"), Bytes(), "train", tmp_path)
    Batches({"train": encoded}, "sequence", 4, END)
    with pytest.raises(InputError, match="takes 4 tokens"):
        Batches({"train": encoded}, "sequence", 3, END)


def test_texts_with_a_label_are_other_texts_than_those_without(tmp_path: Path) -> None:
    read = Example(tuple(replace(piece, read=True) for piece in LABELLED.pieces))
    hashes = {
        encode(Texts([one], "examples", str(one.pieces)), Bytes(), "train", tmp_path).data_hash
        for one in (LABELLED, read)
    }
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("pieces", "form", "told"),
    [
        ((Piece("k", scored=False), Piece("vw", read=False)), "examples", "'vw' takes 2 tokens"),
        ((Piece("k", scored=False), Piece("v", read=False), Piece("l")), "examples", "'l' .* follows a label"),
        ((Piece("k"), Piece("v", read=False), Piece("w", read=False)), "examples", "'w' .* follows a label"),
        ((Piece("k"), Piece("v", False, read=False)), "examples", "'v' takes 1 tokens, scored False"),
        ((Piece("k"), Piece("v", read=False)), "stream", "'v' stands in running text"),
    ],
)  # fmt: skip
def test_a_label_that_could_not_be_predicted_is_refused(
    tmp_path: Path, pieces: tuple[Piece, ...], form: Literal["stream", "examples"], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        encode(Texts([Example(pieces)], form), Bytes(), "train", tmp_path)
