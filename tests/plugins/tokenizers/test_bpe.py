from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import regex
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from partwise import InputError
from partwise_tokenizers import bpe, bpe_training
from partwise_tokenizers.bpe_training import count_pre_tokens, train_bpe
from partwise_tokenizers.parts import Bpe

from . import naive
from .samples import CORPUS, hard_texts, made, mended, site

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""The pattern as GPT-2 was released with."""


def _words(**counts: int) -> list[str]:
    return [word for word, count in counts.items() for _ in range(count)]


def test_merges_of_the_example_of_sennrich_haddow_and_birch() -> None:
    texts = _words(low=5, lower=2, newest=6, widest=3)
    merged = train_bpe(texts, 1000, "gpt2", 2)
    assert merged == [
        *[b"es", b"est", b"lo", b"low"],  # as in the paper; it marks the end of words, where we have none
        *[b"ew", b"new", b"newest", b"dest", b"idest", b"widest", b"er", b"lower"],
    ]


def test_a_word_shrinks_merge_by_merge() -> None:
    texts = _words(lower=3, lo=4, er=3, low=1)
    seen = []
    for merges in range(4):
        tokenizer = Bpe(vocab_size=257 + merges).assemble(site(texts))
        seen.append(" ".join(map(tokenizer.label, tokenizer.encode("lower"))))
    assert seen == ["l o w e r", "lo w e r", "lo w er", "low er"]


@given(
    texts=st.lists(st.text("ab", max_size=12) | st.text("abc '\n", max_size=20), max_size=8),
    merges=st.integers(0, 30),
    min_count=st.integers(1, 4),
    pattern=st.sampled_from(["gpt2", "none"]),
)
def test_training_equals_a_naive_trainer_ties_included(
    texts: list[str], merges: int, min_count: int, pattern: str
) -> None:
    cut = GPT2 if pattern == "gpt2" else r"(?s).+"
    pre_tokens = [pre_token.encode() for text in texts for pre_token in regex.findall(cut, text)]
    assert train_bpe(texts, 257 + merges, pattern, min_count) == naive.train(pre_tokens, merges, min_count)


def test_training_on_prose_equals_a_naive_trainer() -> None:
    pre_tokens = [pre_token.encode() for text in CORPUS for pre_token in regex.findall(GPT2, text)]
    assert train_bpe(CORPUS, 500, "gpt2", 2) == naive.train(pre_tokens, 243, 2)


@given(texts=st.lists(st.text("!abcd~", min_size=1, max_size=10), min_size=1, max_size=10))
def test_training_equals_the_tokenizers_library_ties_included(texts: list[str]) -> None:
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=280, min_frequency=2, initial_alphabet=alphabet, show_progress=False
    )
    theirs.train_from_iterator(texts, trainer)
    by_rank = sorted(theirs.get_vocab().items(), key=lambda item: item[1])
    assert train_bpe(texts, 281, "none", 2) == [token.encode() for token, rank in by_rank if rank >= 256]


@given(text=hard_texts)
def test_encoding_equals_merging_in_the_order_of_training(text: str) -> None:
    tokenizer = made("bpe")
    merged = [tokenizer.token_bytes(token) for token in range(256, tokenizer.end)]
    expected = [part for cut in regex.findall(GPT2, mended(text)) for part in naive.encode(cut.encode(), merged)]
    assert [tokenizer.token_bytes(token) for token in tokenizer.encode(text)] == expected


@given(texts=st.lists(st.text("ab", max_size=14), max_size=6), text=st.text("ab", max_size=25))
def test_encoding_a_small_alphabet_equals_merging_in_the_order_of_training(texts: list[str], text: str) -> None:
    # Runs and overlaps of two letters: here tiktoken's lowest-rank-first would part from training, if it ever did.
    tokenizer = Bpe(vocab_size=290, pattern="none", min_count=1).assemble(site([*texts, "x"]))
    merged = [tokenizer.token_bytes(token) for token in range(256, tokenizer.end)]
    assert [tokenizer.token_bytes(token) for token in tokenizer.encode(text)] == naive.encode(text.encode(), merged)


def test_the_most_frequent_texts_become_single_tokens() -> None:
    tokenizer = Bpe(vocab_size=300).assemble(site(["hello hello hello hello"]))
    assert [tokenizer.label(token) for token in tokenizer.encode("hello hello")] == ["hello", " hello"]


def test_nothing_is_learned_across_two_texts() -> None:
    assert b"ab" in train_bpe(["abab"], 300, "none", 2)
    assert train_bpe(["a", "b", "a", "b"], 300, "none", 2) == []


def test_short_texts_have_fewer_tokens_than_asked_for() -> None:
    assert Bpe(vocab_size=5000).assemble(site(["aaaa aaaa"])).vocab_size == 256 + 2 + 1


@given(text=st.text("a1 .\n\r\té狐'", max_size=60), pattern=st.sampled_from(["gpt2", "cl100k", "qwen2", "o200k"]))
def test_cutting_a_long_text_changes_no_count(text: str, pattern: str) -> None:
    whole = count_pre_tokens([text], pattern)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bpe_training, "PORTION", 3)
        assert count_pre_tokens([text], pattern) == whole


@pytest.mark.parametrize("run", [" ", "\n", "a"])
def test_a_run_of_a_million_equal_characters_is_no_trouble(run: str) -> None:
    text = run * 1_100_000 + "x"
    assert made("bpe").decode(made("bpe").encode(text)) == text


def test_white_space_longer_than_the_patterns_reach_is_cut_and_kept() -> None:
    text = " " * 25_000 + "fox"
    ids = made("bpe").encode(text)
    assert made("bpe").decode(ids) == text
    assert made("bpe").label(ids[-1])[:1] != " " or made("bpe").encode(" fox")[-1] == ids[-1]


@pytest.mark.parametrize(
    ("tokens", "problem"),
    [
        ("QQ==", "tokens"),
        ([], "256 of the 256 single bytes"),
        (["%%"], "not base64"),
        ([5], "base64 text"),
        (["QQ==", "QQ=="], "twice"),
        ([""], "empty"),
    ],
)
def test_damaged_tokens_are_an_input_error(tokens: object, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        Bpe().restore({"pattern": "gpt2", "tokens": tokens})


def test_a_pattern_that_nobody_knows_is_an_input_error() -> None:
    with pytest.raises(InputError, match="one of gpt2"):
        Bpe().restore({**made("bpe").to_json(), "pattern": "a*"})


@pytest.mark.parametrize("most_copied", [0, 1 << 16])
def test_threads_encode_alike_with_tables_of_their_own_or_a_shared_one(
    monkeypatch: pytest.MonkeyPatch, most_copied: int
) -> None:
    monkeypatch.setattr(bpe, "_MOST_COPIED", most_copied)
    tokenizer = Bpe(vocab_size=300).assemble(site(CORPUS))
    with ThreadPoolExecutor(1) as other:
        assert other.submit(tokenizer.encode, CORPUS[0]).result() == tokenizer.encode(CORPUS[0])
        tables = other.submit(lambda: tokenizer._tables.encoding).result(), tokenizer._tables.encoding
    assert (tables[0] is tables[1]) == (most_copied == 0)


def test_it_can_be_copied() -> None:
    tokenizer = Bpe(vocab_size=300).assemble(site(CORPUS))
    assert copy.deepcopy(tokenizer).encode(CORPUS[0]) == tokenizer.encode(CORPUS[0])
