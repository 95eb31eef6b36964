from __future__ import annotations

import re
import unicodedata
from typing import get_args

import pytest
import regex
import tiktoken
import tiktoken_ext.openai_public as public
from hypothesis import given

from partwise_tokenizers.parts import Pattern
from partwise_tokenizers.patterns import ENCODINGS, PATTERNS, ascii_pattern

from .samples import hard_texts, mended

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DIGITS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+"
PUBLISHED = {"llama3": LLAMA3, "qwen2": LLAMA3.replace("{1,3}", ""), "digits": DIGITS, "none": r"(?s:.+)"}


@pytest.fixture(scope="module")
def published() -> dict[str, str]:
    """Name of each pattern -> the pattern as it was published; tiktoken's without its ranks."""
    found = dict(PUBLISHED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(public, "load_tiktoken_bpe", lambda *args, **named: {})
        patch.setattr(public, "data_gym_to_mergeable_bpe_ranks", lambda *args, **named: {})
        for name, (pattern, _) in ENCODINGS.items():
            definition = getattr(public, name)()["pat_str"]
            assert found.setdefault(pattern, definition) == definition
    return found


@pytest.mark.parametrize("name", PATTERNS)
@given(text=hard_texts)
def test_a_text_is_cut_as_the_published_pattern_cuts_it(name: str, published: dict[str, str], text: str) -> None:
    assert regex.findall(PATTERNS[name], text) == regex.findall(published[name], text)


@pytest.mark.parametrize("name", PATTERNS)
@given(text=hard_texts)
def test_the_pre_tokens_are_the_whole_text(name: str, text: str) -> None:
    assert "".join(regex.findall(PATTERNS[name], text)) == text


@pytest.mark.parametrize("name", PATTERNS)
@given(text=hard_texts)
def test_ascii_text_is_cut_alike_by_the_faster_pattern(name: str, text: str) -> None:
    text = "".join(character for character in text if character.isascii())
    assert re.findall(ascii_pattern(name), text, re.ASCII) == regex.findall(PATTERNS[name], text)


@pytest.mark.parametrize("name", PATTERNS)
@given(text=hard_texts)
def test_encoding_cuts_a_text_as_training_does(name: str, text: str) -> None:
    # Every pre-token that training sees is made a token of its own; then encoding must find exactly these.
    # (Characters that one engine's edition of Unicode knows and the other's does not yet are left out.)
    text = "".join(character for character in mended(text) if unicodedata.category(character) != "Cn")
    pre_tokens = [pre_token.encode() for pre_token in regex.findall(PATTERNS[name], text)]
    tokens = dict.fromkeys([*(bytes([byte]) for byte in range(256)), *pre_tokens])
    ranks = {token: rank for rank, token in enumerate(tokens)}
    encoding = tiktoken.Encoding("test", pat_str=PATTERNS[name], mergeable_ranks=ranks, special_tokens={})
    assert encoding.encode_ordinary(text) == [ranks[pre_token] for pre_token in pre_tokens]


def test_every_pattern_can_be_named_in_a_recipe() -> None:
    assert set(get_args(Pattern)) == set(PATTERNS)
