"""What an encoded split says of its texts: bits per byte, and the hash of the data."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from partwise.data import IGNORED, Batches, Example, Piece, data_hash, encode

from .texts import PAIR, Bytes, Texts, stream


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


def test_there_is_no_figure_where_the_text_cannot_be_restored(tmp_path: Path) -> None:
    assert encode(stream("axb"), Bytes(b"x", bits=None), "train", tmp_path).bits_per_byte(1.0) is None
    assert encode(stream("ab"), Bytes(b"x", bits=None), "test", tmp_path).bits_per_byte(1.0) is not None


class Lower(Bytes):
    """Puts a space before what it encodes, and knows no capitals."""

    lossless = False

    def encode(self, text: str) -> list[int]:
        return super().encode(" " + text.lower())

    def decode(self, ids: list[int]) -> str:
        return super().decode(ids).removeprefix(" ")


def test_a_tokenizer_that_loses_some_texts_is_tried_on_these(tmp_path: Path) -> None:
    texts = [stream("axb", "c"), stream("axb", "C"), Texts([Example((Piece("a"), Piece("b")))])]
    found = [encode(one, Lower(), "valid", tmp_path / str(place)) for place, one in enumerate(texts)]
    assert [one.bits_per_byte(1.0) is not None for one in found] == [True, False, False]
    assert found[1].why_no_bits_per_byte() == (
        "the tokenizer loses text of the valid split, so that no message restores it"
    )


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


@pytest.mark.parametrize("reads", ["sequence", "pair"])
def test_the_unigram_is_that_of_the_targets_that_are_scored(tmp_path: Path, reads: str) -> None:
    texts = [Example((Piece("source", scored=False), Piece(target))) for target in ("aab", "b", "aaaa")]
    encoded = encode(Texts(texts, "examples"), Bytes(), "train", tmp_path)
    batches = list(Batches({"train": encoded}, reads, 16, Bytes().end).evaluation("train", 2))
    targets = np.concatenate([batch.targets[batch.targets != IGNORED].numpy() for batch in batches])
    counts = np.unique(targets, return_counts=True)[1]
    assert encoded.unigram() == pytest.approx((stats.entropy(counts), counts.max() / counts.sum()))


def test_the_unigram_of_running_text_leaves_out_the_first_token_which_nothing_predicts(tmp_path: Path) -> None:
    encoded = encode(stream("abab", "bb"), Bytes(), "train", tmp_path)
    assert encoded.unigram() == pytest.approx((stats.entropy([2, 4, 2]), 0.5))  # a, b, and the ends of both texts
    one = encode(stream(""), Bytes(), "valid", tmp_path)
    assert one.unigram() in (None, (0.0, 1.0))
