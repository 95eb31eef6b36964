"""What every tokenizer and every data set must hold."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice
from typing import Any

from partwise import Part
from partwise.interfaces import Example, Split
from partwise.sites import DataSite, TokenizerSite


def _prose(words: int) -> str:
    """Words of a made-up language, the short ones frequent, in sentences."""
    draw = random.Random(0)
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvw" for vowel in "aeiou"]
    lexicon = ["".join(draw.choices(syllables, k=1 + rank // 20)) for rank in range(80)]
    text = draw.choices(lexicon, weights=[1 / rank for rank in range(1, 81)], k=words)
    return " ".join(word + (".\n" if index % 11 == 10 else "") for index, word in enumerate(text))


CORPUS = (
    _prose(600),
    "The quick brown fox jumps over the lazy dog; it doesn't mind: 12 lazy dogs\tand  2  foxes\n\n",
    "naïve café, Käse, 日本, жук 🙂\n",
)
"""A plain text, with a few characters that are rare."""
TEXTS = (
    "",
    " ",
    "The quick brown fox",
    "low lower lowest newest widest",
    "  leading, trailing  ",
    "line\nbreaks\r\nand\ttabs\x00\x07",
    "ünïcödé e\u0301 \ufeffBOM\u200d\u200b joiners",
    "مرحبا שלום right to left \u202e",
    "👩‍👩‍👧‍👦🏳️‍🌈 \U0010ffff \ue000",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "12345678901234567890 3.14159 -1e-9",
    "<|end|> <|endoftext|> </s> <unk> [PAD] <s>",
)
"""Texts that have broken tokenizers, besides those that have not."""

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
MOST = 300
"""Examples of a split that are looked at; some data sets are large."""


# --- tokenizers ---------------------------------------------------------------------------------------


def tokenizer_of(part: Part, texts: Iterable[str] = CORPUS) -> Any:
    """The tokenizer, trained on `texts`, which come in pieces."""
    kept = tuple(texts)
    return part.assemble(TokenizerSite(lambda: iter(kept)))


def check_round_trip(part: Part, text: str) -> None:
    """What is encoded without an unknown and by a lossless tokenizer is decoded as it was."""
    tokenizer = tokenizer_of(part)
    ids = tokenizer.encode(text)
    assert all(isinstance(token, int) for token in ids), "ids are not plain integers"
    assert all(0 <= token < tokenizer.vocab_size for token in ids), f"ids beyond the {tokenizer.vocab_size} there are"
    assert tokenizer.end not in ids, "a text was encoded to the end token"
    if tokenizer.lossless and tokenizer.unknown not in ids:
        decoded = tokenizer.decode(ids)
        assert decoded == text, f"{text!r} came back as {decoded!r}"
    assert tokenizer.encode(text) == ids, "a second call gives other ids"


def check_the_text_it_learned_from_has_no_unknowns(part: Part) -> None:
    """A tokenizer that is lossless by its own word gives its own corpus back."""
    tokenizer = tokenizer_of(part)
    for text in CORPUS:
        ids = tokenizer.encode(text)
        if tokenizer.lossless and tokenizer.unknown not in ids:
            assert tokenizer.decode(ids) == text, f"{text!r} came back as {tokenizer.decode(ids)!r}"
    known = [token for text in CORPUS for token in tokenizer.encode(text) if token != tokenizer.unknown]
    assert known, "of its own corpus it knows nothing"


def check_unknowns_are_declared(part: Part) -> None:
    """What it cannot spell is the unknown token if there is one; without one, nothing is lost in a lossless one."""
    tokenizer = tokenizer_of(part)
    strange = "\u16a0\u16a1\u16a2 zqxj"
    ids = tokenizer.encode(strange)
    if tokenizer.unknown is None:
        assert not tokenizer.lossless or tokenizer.decode(ids) == strange, "it has no unknown token and loses text"
    else:
        assert 0 <= tokenizer.unknown < tokenizer.vocab_size, "its unknown token is no id"
        assert tokenizer.unknown in ids, "what it never saw is not unknown to it"
        bits = tokenizer.unknown_bits
        assert bits is None or bits > 0, f"an unknown costs {bits} bits"


def check_lone_surrogates_become_replacement_characters(part: Part) -> None:
    """Half a character is no text: it is U+FFFD, and no error."""
    tokenizer = tokenizer_of(part)
    assert tokenizer.encode("a\ud800b") == tokenizer.encode("a\ufffdb"), "a lone surrogate is not U+FFFD"


def check_special_tokens_are_text_in_text(part: Part) -> None:
    """Writing the name of a special token does not make one."""
    tokenizer = tokenizer_of(part)
    specials = [tokenizer.end] + ([] if tokenizer.unknown is None else [tokenizer.unknown])
    for token in specials:
        label = tokenizer.label(token)
        ids = tokenizer.encode(f"x{label}x")
        assert tokenizer.end not in ids, f"the text {label!r} becomes a special token"
        assert tokenizer.token_bytes(token) == b"" or token != tokenizer.end, "the end token adds bytes to a text"
    assert tokenizer.decode([tokenizer.end]) == "", "the end token is decoded to a text"
    ids = tokenizer.encode("low")
    assert tokenizer.decode([*ids, tokenizer.end]) == tokenizer.decode(ids), "the end token is not left out"


def check_bytes_of_tokens_join_to_the_text(part: Part) -> None:
    """A streaming decoder, which joins the bytes of tokens, ends with the same text."""
    tokenizer = tokenizer_of(part)
    for text in (*TEXTS, *CORPUS):
        ids = tokenizer.encode(text)
        joined = b"".join(tokenizer.token_bytes(token) for token in ids).decode("utf-8", "replace")
        decoded = tokenizer.decode(ids)
        if not tokenizer.lossless:  # a word brings a space along, which the beginning of a text does without
            joined, decoded = joined.removeprefix(" "), decoded.removeprefix(" ")
        assert joined == decoded, f"bytes join to {joined!r}, decode gives {decoded!r}"


def check_every_token_has_a_label(part: Part) -> None:
    """Every id has a label to show, and bytes."""
    tokenizer = tokenizer_of(part)
    for token in range(tokenizer.vocab_size):
        assert isinstance(tokenizer.label(token), str), f"token {token} has no label"
        assert tokenizer.label(token), f"the label of token {token} is empty"
        assert isinstance(tokenizer.token_bytes(token), bytes), f"token {token} has no bytes"


def check_save_and_restore(part: Any) -> None:
    """Its JSON restores it exactly."""
    tokenizer = tokenizer_of(part)
    saved = json.loads(json.dumps(tokenizer.to_json()))
    restored = part.restore(saved)
    assert restored.vocab_size == tokenizer.vocab_size
    assert (restored.end, restored.unknown, restored.lossless) == (tokenizer.end, tokenizer.unknown, tokenizer.lossless)
    assert restored.unknown_bits == tokenizer.unknown_bits, "its unknowns cost something else when restored"
    for text in (*TEXTS, *CORPUS):
        assert restored.encode(text) == tokenizer.encode(text), f"restored it encodes {text!r} otherwise"
    for token in range(tokenizer.vocab_size):
        assert restored.label(token) == tokenizer.label(token), f"restored, token {token} has another label"
    assert json.loads(json.dumps(restored.to_json())) == saved, "restored and saved again it is another"


def check_training_is_deterministic(part: Part) -> None:
    """The same texts give the same tokenizer, however they are cut into pieces and whatever was drawn before."""
    random.seed(1)
    one = tokenizer_of(part).to_json()
    random.seed(2)
    assert tokenizer_of(part).to_json() == one, "training it twice gives two tokenizers"


def check_the_vocabulary_is_as_planned(part: Any) -> None:
    """What the knobs tell of the vocabulary's size is an upper bound, and the size where the corpus is rich enough."""
    planned = part.planned_vocabulary()
    size = tokenizer_of(part).vocab_size
    assert planned is None or size <= planned, f"planned were {planned} ids, and there are {size}"


# --- data ---------------------------------------------------------------------------------------------


def first(data: Any, split: Split, most: int = MOST) -> list[Example]:
    """The first examples of a split."""
    return list(islice(data.examples(split), most))


@cache
def data_of(part: Part) -> Any:
    """The data set, built once for all checks: some are large."""
    return part.assemble(DataSite())


def check_examples_are_sound(part: Part) -> None:
    """Texts with something to learn in them, in the form that is announced."""
    data = data_of(part)
    assert data.form in ("stream", "examples"), f"its form is {data.form!r}"
    for split in SPLITS:
        found = first(data, split)
        assert found, f"its {split} split is empty"
        for example in found:
            assert any(piece.scored and piece.text for piece in example.pieces), f"nothing to learn in {example}"
            for piece in example.pieces:
                assert piece.text == piece.text.encode("utf-8", "replace").decode(), (
                    f"{piece.text!r} is no Unicode text"
                )
            assert example.ends or data.form == "stream", "an example that does not end"


def check_it_yields_the_same_each_time(part: Part) -> None:
    """A fixed order, from the start at each call; nothing drawn from or left in the global random state."""
    data, again = data_of(part), part.assemble(DataSite())
    for split in SPLITS:
        one = first(data, split)
        random.seed(9)
        before = random.getstate()
        assert first(data, split) == one, f"a second pass over {split} gives something else"
        assert first(again, split) == one, f"built again it gives something else for {split}"
        assert random.getstate() == before, "it draws from the global random state"
    assert again.identity() == data.identity(), "the identity of the same data changes"


def check_splits_share_nothing(part: Part, whole: Callable[[Example], str]) -> None:
    """No text of one split stands in another."""
    data = data_of(part)
    seen: dict[str, str] = {}
    for split in SPLITS:
        for text in {whole(example) for example in first(data, split, 2000)}:
            other = seen.setdefault(text, split)
            assert other == split, f"{text[:60]!r} stands in {other} and in {split}"


def check_identity(part: Part, others: Iterable[Part]) -> None:
    """Other data has another identity."""
    data = data_of(part)
    mine = [first(data, split, 50) for split in SPLITS]
    for other in others:
        theirs = data_of(other)
        if [first(theirs, split, 50) for split in SPLITS] != mine:
            assert theirs.identity() != data.identity(), f"{part!r} and {other!r} differ and have one identity"
