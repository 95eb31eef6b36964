"""Names of special tokens in pieces, and conversations that are too long: from text to batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import torch

from partwise import InputError
from partwise.data import (
    IGNORED,
    Batches,
    ChatTemplate,
    EncodedSplit,
    Example,
    Marks,
    Piece,
    Split,
    Turn,
    encode,
    piece_ids,
)
from partwise.data.named import special_ids, without_names
from partwise_tokenizers.bpe import BYTES, BytePairTokenizer
from partwise_tokenizers.char import CharTokenizer

CHARS = CharTokenizer(sorted(set("abcdefghijklmnopqrstuvwxyz <|>\n")))
NAMED = BytePairTokenizer(
    [*BYTES, None, None, None], "gpt2", Marks.plain(258), {256: "<|user|>", 257: "<|end|>", 258: "<|stop|>"}
)
"""Whose `<|end|>` ends a turn, and not a text."""


class Told:
    form: Literal["stream", "examples"] = "examples"

    def __init__(self, *examples: Example, cuts: bool = False) -> None:
        self._examples, self.cuts = examples, cuts

    def examples(self, split: Split) -> Iterator[Example]:
        return iter(self._examples)

    def identity(self) -> str:
        return repr((self._examples, self.cuts))


class Nameless:
    """A tokenizer of a plugin, whose special tokens have no names."""

    vocab_size, end, unknown, unknown_bits, lossless = 257, 256, None, None, True

    def encode(self, text: str) -> list[int]:
        return list(text.encode())


def encoded(folder: Path, *examples: Example, cuts: bool = False) -> EncodedSplit:
    return encode(Told(*examples, cuts=cuts), CHARS, "train", folder)


def conversation(*said: str) -> Example:
    turns = [Turn(("user", "assistant")[place % 2], text) for place, text in enumerate(said)]
    return Example(ChatTemplate().conversation(turns))


def test_the_end_has_a_name_in_every_tokenizer_unless_another_token_has_it() -> None:
    assert special_ids(CHARS, "a<|end|>b<|end|>") == [*CHARS.encode("a"), CHARS.end, *CHARS.encode("b"), CHARS.end]
    assert special_ids(Nameless(), "a<|end|><|x|>") == [97, 256, *b"<|x|>"]  # type: ignore[arg-type]
    assert special_ids(NAMED, "<|user|>a<|end|>") == [256, 97, 257]
    assert piece_ids(CHARS, Piece("<|end|>")) == CHARS.encode("<|end|>") != [CHARS.end]


def test_text_is_counted_without_the_names() -> None:
    assert without_names(CHARS, "a<|end|>b", special_ids(CHARS, "a<|end|>b")) == "ab"
    assert without_names(NAMED, "<|user|>a<|end|>", special_ids(NAMED, "<|user|>a<|end|>")) == "a"


def test_only_answers_and_the_ends_of_their_turns_are_targets(tmp_path: Path) -> None:
    said = conversation("hi", "yes <|end|>", "so", "no")
    split = encoded(tmp_path, said)
    batch = Batches({"train": split}, "sequence", 99, CHARS.end).train(0, 1, 0)
    # Plainly: what stands before each answer is read, each answer is predicted, and the last end is that of the text.
    ids: list[int] = [CHARS.end]
    targets: list[int] = []
    for text, scored in [
        ("user\nhi", False), (None, False), ("assistant\n", False), ("yes <|end|>", True), (None, True),
        ("user\nso", False), (None, False), ("assistant\n", False), ("no", True), (None, True),
    ]:  # fmt: skip
        more = [CHARS.end] if text is None else CHARS.encode(text)
        ids += more
        targets += more if scored else [IGNORED] * len(more)
    assert batch.tokens.tolist() == [ids[:-1]]
    assert batch.targets.tolist() == [targets]
    assert split.text_bytes == len("yes <|end|>no")
    assert split.scored_tokens == len("yes <|end|>no") + 2
    assert split.lossless


def test_a_name_that_begins_every_text_anyway_stands_there_once(tmp_path: Path) -> None:
    pieces = (Piece("<|end|>ab", scored=False, named=True), Piece("c<|end|>", named=True))
    batch = Batches({"train": encoded(tmp_path, Example(pieces))}, "sequence", 9, CHARS.end).train(0, 1, 0)
    assert batch.tokens.tolist() == [[CHARS.end, *CHARS.encode("abc")]]


def test_a_text_and_a_text_of_names_have_different_hashes(tmp_path: Path) -> None:
    one, other = (encoded(tmp_path, Example((Piece("a<|end|>b", named=named),))) for named in (True, False))
    assert one.data_hash != other.data_hash


def test_what_is_too_long_is_an_error_unless_it_may_be_cut(tmp_path: Path) -> None:
    whole = encoded(tmp_path, conversation("hi", "yes"))
    with pytest.raises(InputError, match="raise the context to 22"):
        Batches({"train": whole}, "sequence", 21, CHARS.end)
    split = encoded(tmp_path, conversation("hi", "yes"), conversation("hi" * 40, "no"), cuts=True)
    batches = Batches({"train": split}, "sequence", 21, CHARS.end)
    (note,) = batches.notes()
    assert note.startswith(
        "2 of the 2 examples of the train split are longer than 21 tokens, and lose their ends; 1 ha"
    )
    (cut,) = batches.evaluation("train", 8)
    (full,) = Batches({"train": whole}, "sequence", 22, CHARS.end).evaluation("train", 8)
    assert torch.equal(cut.tokens, full.tokens[:, :21])
    assert torch.equal(cut.targets, full.targets[:, :21])
    assert not Batches({"train": split}, "sequence", 200, CHARS.end).notes()
