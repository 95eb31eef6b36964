"""Pipelines of public models by the tokenizers library: its ids, bytes that join to the text, special tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers

from partwise_tokenizers.library import LibraryTokenizer

from .samples import CORPUS, mended
from .test_added_tokens import metaspace, nasty, read, unigram, wordpiece

END = "<|endoftext|>"
SPECIAL = [AddedToken(END, special=True), AddedToken("<|user|>", special=True, rstrip=True)]


def by_bytes(*cuts: pre_tokenizers.PreTokenizer, normalizer: Any = None) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.Sequence(list(cuts)), decoders.ByteLevel()
    if normalizer is not None:
        made.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    made.add_special_tokens(SPECIAL)
    return made


def split(pattern: str, behavior: str = "isolated") -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(pattern), behavior)


def deepseek() -> tokenizers.Tokenizer:
    letters = r"[!-/:-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return by_bytes(split(r"\p{N}{1,3}"), split("[一-龥]+"), split(letters), whole)


def falcon() -> tokenizers.Tokenizer:
    punctuation, digits = pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(False)
    return by_bytes(punctuation, digits, split("[0-9]{3}"), pre_tokenizers.ByteLevel(add_prefix_space=False))


def cohere() -> tokenizers.Tokenizer:
    every = pre_tokenizers.Digits(True)
    return by_bytes(every, pre_tokenizers.ByteLevel(add_prefix_space=False), normalizer=normalizers.NFKC())


def begun() -> tokenizers.Tokenizer:
    return by_bytes(pre_tokenizers.ByteLevel(add_prefix_space=True))


def gemma() -> tokenizers.Tokenizer:
    content = json.loads(metaspace().to_str())
    content["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    content["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"String": " "},
        "behavior": "MergedWithPrevious",
        "invert": False,
    }
    content["decoder"]["decoders"].pop()
    return tokenizers.Tokenizer.from_str(json.dumps(content))


def mistral() -> tokenizers.Tokenizer:
    content = json.loads(metaspace().to_str())
    content["normalizer"] = None
    first = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
    return tokenizers.Tokenizer.from_str(json.dumps({**content, "pre_tokenizer": first}))


PIPELINES: dict[str, tuple[Callable[[], tokenizers.Tokenizer], bool, bool]] = {
    # Whether every text comes back, and whether it knows every text.
    "deepseek": (deepseek, True, True),
    "falcon": (falcon, True, True),
    "cohere": (cohere, False, True),
    "begun": (begun, False, True),
    "llama2": (metaspace, False, True),
    "mistral": (mistral, False, True),
    "gemma": (gemma, False, True),
    "unigram": (unigram, False, False),
    "bert": (wordpiece, False, False),
}
every_pipeline = pytest.mark.parametrize("name", PIPELINES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("library")


@cache
def both(name: str, folder: Path) -> tuple[tokenizers.Tokenizer, LibraryTokenizer]:
    theirs = PIPELINES[name][0]()
    ours = read(folder, json.loads(theirs.to_str()))
    assert isinstance(ours, LibraryTokenizer)
    return theirs, ours


@every_pipeline
@given(text=nasty)
@settings(max_examples=40)
def test_ids_text_and_special_tokens_are_the_librarys(name: str, folder: Path, text: str) -> None:
    theirs, ours = both(name, folder)
    text = mended(text)
    assert ours.encode_special(text) == theirs.encode(text, add_special_tokens=False).ids
    theirs.encode_special_tokens = True
    ids = theirs.encode(text, add_special_tokens=False).ids
    theirs.encode_special_tokens = False
    assert ours.encode(text) == ids
    if ours.unknown not in ids:
        assert ours.decode(ids) == theirs.decode(ids)


@every_pipeline
def test_what_it_loses_is_known(name: str, folder: Path) -> None:
    _, lossless, knows = PIPELINES[name]
    _, ours = both(name, folder)
    assert (ours.lossless, ours.unknown is None) == (lossless, knows)
    assert all(ours.label(token) for token in range(ours.vocab_size))


@pytest.mark.parametrize("name", [name for name in PIPELINES if PIPELINES[name][1]])
@given(text=nasty)
@settings(max_examples=40)
def test_texts_come_back_where_nothing_is_lost(name: str, folder: Path, text: str) -> None:
    _, ours = both(name, folder)
    ids = ours.encode(text)
    assert b"".join(map(ours.token_bytes, ids)) == mended(text).encode()


@pytest.mark.parametrize("name", ["llama2", "mistral", "gemma"])
@given(text=nasty)
@settings(max_examples=40)
def test_pieces_with_bytes_lose_nothing_but_the_sign_for_a_space(name: str, folder: Path, text: str) -> None:
    _, ours = both(name, folder)
    expected = mended(text).replace("\u2581", " ")
    # A Metaspace takes a space that a text begins with for its own.
    expected = expected.removeprefix(" ") if name == "mistral" else expected
    assert ours.decode(ours.encode(text)) == expected


def test_a_text_may_begin_with_a_space_where_none_is_put_before(folder: Path) -> None:
    _, ours = both("gemma", folder)
    assert ours.decode(ours.encode(" a")) == " a"


@every_pipeline
def test_what_it_writes_is_the_file_that_it_read(name: str, folder: Path) -> None:
    theirs, ours = both(name, folder)
    assert ours.to_tokenizer_json() == json.loads(theirs.to_str())
