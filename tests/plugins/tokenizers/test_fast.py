"""The fast encoder of byte pairs: when it is used, when it is refused, and that ids are the same either way."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.parts import TokenizerSite
from partwise_tokenizers import bpe, fast
from partwise_tokenizers.bpe import BytePairTokenizer
from partwise_tokenizers.parts import Bpe, Pattern, Tiktoken, TokenizerJson

pytest.importorskip("gigatoken")
KNOWN = ("gpt2", "cl100k", "llama3", "qwen2", "o200k")
CORPUS = (
    "The lazy dog doesn't mind 12 lazy dogs and  2 foxes.\n\n" * 20,
    "naïve café 日本 жук 🙂 It'S\r\n  low lower lowest\n" * 20,
)


@cache
def tokenizer(pattern: Pattern = "gpt2") -> BytePairTokenizer:
    return Bpe(vocab_size=400, pattern=pattern).build(TokenizerSite(lambda: CORPUS))


@cache
def encoder(pattern: Pattern) -> fast.FastEncoder:
    return fast.FastEncoder(tokenizer(pattern)._tokens, pattern, tokenizer(pattern).encode)


def lists(found: tuple[Any, Any]) -> list[list[int]]:
    ids, lengths = found
    return [part.tolist() for part in np.split(ids, np.cumsum(lengths)[:-1])] if len(lengths) else []


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little there is to encode, the fast encoder is tried."""
    monkeypatch.setattr(bpe, "_WORTH_IT", (0, 0))


@pytest.mark.parametrize("pattern", KNOWN)
@given(texts=st.lists(st.text() | st.text("aB1 '\n\t.sStT\r漢é\u0301\u3000/", max_size=40), max_size=5))
@settings(deadline=None)
def test_ids_are_those_of_tiktoken(pattern: Pattern, texts: list[str]) -> None:
    assert lists(encoder(pattern).encode(texts)) == [tokenizer(pattern).encode(text) for text in texts]


@pytest.mark.exhaustive
@pytest.mark.parametrize("pattern", KNOWN)
def test_every_code_point_is_cut_as_tiktoken_cuts_it(pattern: Pattern) -> None:
    # Any two bytes of a pre-token are a token, so that ids tell where it was cut.
    pairs = [bytes([one, other]) for one in range(256) for other in range(256)]
    probe = BytePairTokenizer([*bpe.BYTES, *pairs], pattern)
    signs = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    texts = [
        "".join(
            f"a{sign}b {sign}1{sign}\n{sign}{sign} '{sign}s. {sign}\t {sign}A{sign}"
            for sign in signs[start : start + 64]
        )
        for start in range(0, len(signs), 64)
    ]
    fast.FastEncoder(probe._tokens, pattern, probe.encode).compare(texts)


@pytest.mark.parametrize("pattern", KNOWN)
def test_what_unicode_may_come_to_define_is_left_to_tiktoken(pattern: Pattern) -> None:
    texts = ["plain", "a \U00011de0\U00011de1 \ua7ce b", "", "漢 é", "\U00033475", "plain again"]
    assert lists(encoder(pattern).encode(texts)) == [tokenizer(pattern).encode(text) for text in texts]


@pytest.mark.parametrize("pattern", KNOWN)
def test_it_passes_the_hard_texts(pattern: Pattern) -> None:
    encoder(pattern).compare(fast.hard_texts())


def test_every_pattern_is_either_known_or_refused_with_a_word() -> None:
    for pattern in set(get_args(Pattern)) - set(KNOWN):
        made = tokenizer(pattern)
        found, word = fast.fast_encoder(made._tokens, pattern, made.encode, CORPUS)
        assert found is None
        assert word is not None
        assert word.startswith("gigatoken is not used for this tokenizer: it ")


@pytest.mark.usefixtures("at_once")
def test_it_is_used_for_large_data() -> None:
    made = Bpe(vocab_size=400).build(TokenizerSite(lambda: CORPUS))
    assert lists(made.encode_array(CORPUS)) == [made.encode(text) for text in CORPUS]
    assert made._fast is not None
    assert made.encoding_note is None


def test_it_is_not_made_for_a_few_texts() -> None:
    made = Bpe(vocab_size=400).build(TokenizerSite(lambda: CORPUS))
    made.encode_array(CORPUS)
    assert made._fast is None


@pytest.mark.usefixtures("at_once")
def test_without_it_ids_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gigatoken", None)
    made = Bpe(vocab_size=400).build(TokenizerSite(lambda: CORPUS))
    texts = ["", *CORPUS, " " * 30_000 + "x", "a\ud800b"]
    assert lists(made.encode_array(texts)) == [made.encode(text) for text in texts]
    assert (made._fast, made.encoding_note) == (None, None)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("where", ["the hard texts", "the texts at hand"])
def test_it_is_refused_where_one_text_has_other_ids(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    right = fast.FastEncoder.encode
    strange = fast.hard_texts()[-1] if where == "the hard texts" else CORPUS[1]

    def wrong(self: fast.FastEncoder, texts: Sequence[str]) -> tuple[Any, Any]:
        ids, lengths = right(self, texts)
        if strange in texts:
            ids = ids.copy()
            ids[-1] += 1
        return ids, lengths

    monkeypatch.setattr(fast.FastEncoder, "encode", wrong)
    made = Bpe(vocab_size=400).build(TokenizerSite(lambda: CORPUS))
    assert lists(made.encode_array(CORPUS)) == [made.encode(text) for text in CORPUS]
    assert made.encoding_note is not None
    assert "it gives other ids for" in made.encoding_note


@pytest.mark.usefixtures("at_once")
def test_files_of_public_models_use_it() -> None:
    for part in (next(iter(Tiktoken.examples())), next(iter(TokenizerJson.examples()))):
        made: Any = part.build(TokenizerSite(lambda: ()))
        assert lists(made.encode_array(CORPUS)) == [made.encode(text) for text in CORPUS]
        assert made._fast is not None


@pytest.mark.usefixtures("at_once")
def test_names_of_special_tokens_are_text_for_it_too() -> None:
    (first, *_) = TokenizerJson.examples()
    made: Any = first.build(TokenizerSite(lambda: ()))
    names = " ".join(made.special_names().values())
    assert lists(made.encode_array([names])) == [made.encode(names)]


@pytest.mark.usefixtures("at_once")
def test_threads_share_it() -> None:
    made = Bpe(vocab_size=400).build(TokenizerSite(lambda: CORPUS))
    expected = [made.encode(text) for text in CORPUS]
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(made.encode_array, [CORPUS] * 40):
            assert lists(found) == expected


@pytest.mark.parametrize("run", [4_999, 5_000, 9_999, 10_000, 10_001, 14_999, 25_000])
@pytest.mark.parametrize("before", [0, 1, 4_999, 5_000, 7_777])
def test_long_white_space_is_found_wherever_it_stands(run: int, before: int) -> None:
    text = "a" * before + " \n"[run % 2] * run + "b"
    assert bpe._has_long_space(text) is (run >= 10_000)
    assert bpe._has_long_space(text[:-1]) is (run >= 10_000)
