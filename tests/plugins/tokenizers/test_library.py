"""Pipelines of public models by the tokenizers library: its ids, bytes that join to the text, special tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers

from partwise.testing import contract_of, run_check
from partwise_tokenizers.library import LibraryTokenizer
from partwise_tokenizers.parts import TokenizerJson

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


CONTRACT = (
    "texts_come_back",
    "streaming_equals_decoding",
    "bytes_of_tokens_join_to_the_text",
    "its_marks_are_special_tokens",
    "every_token_has_a_label",
    "it_is_restored_exactly",
    "it_survives_a_fork",
)


@every_pipeline
def test_it_keeps_the_contract_of_tokenizers(name: str, folder: Path) -> None:
    place = folder / f"{name}.json"
    place.write_text(PIPELINES[name][0]().to_str())

    class Theirs(TokenizerJson):
        @classmethod
        def examples(cls) -> Iterable[Any]:
            yield cls(file=str(place))

    for check in contract_of(Theirs):
        if check.name in CONTRACT:
            result = run_check(Theirs, check)
            assert result.outcome == "passed", (check.name, result)


@pytest.mark.parametrize("name", ["unigram", "bert", "words"])
def test_the_name_of_a_special_token_in_a_text_is_text_though_the_vocabulary_has_it(name: str, tmp_path: Path) -> None:
    theirs = words() if name == "words" else PIPELINES[name][0]()
    ours = read(tmp_path, json.loads(theirs.to_str()))
    end = ours.label(ours.end) if name != "words" else "</s>"
    ids = ours.encode(f"the {end} fox")
    assert ours.end not in ids
    assert ids[-1:] == ours.encode("fox")[-1:]
    assert ours.encode_special(f"the {end} fox") == theirs.encode(f"the {end} fox", add_special_tokens=False).ids


def words() -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1, "the": 2, "fox": 3}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["</s>"])
    return made
