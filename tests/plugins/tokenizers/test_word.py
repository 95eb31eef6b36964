from __future__ import annotations

import pytest

from partwise import InputError, PartError
from partwise_tokenizers.parts import Word

from .samples import site


def _labels(part: Word, *texts: str) -> list[str]:
    tokenizer = part.assemble(site(texts))
    return [tokenizer.label(token) for token in range(tokenizer.vocab_size)]


def _split(text: str, **knobs: bool) -> list[str]:
    tokenizer = Word(min_count=1, **knobs).assemble(site([text]))
    return [tokenizer.label(token) for token in tokenizer.encode(text)]


def test_frequent_words_come_first_and_ties_are_alphabetical() -> None:
    assert _labels(Word(min_count=1), "b a c a b z", "z z") == ["z", "a", "b", "c", "<unk>", "<|end|>"]


def test_the_vocabulary_counts_the_special_tokens() -> None:
    assert _labels(Word(min_count=1, vocab_size=4), "b a c a b z", "z z") == ["z", "a", "<unk>", "<|end|>"]


def test_rare_words_have_no_id() -> None:
    assert _labels(Word(min_count=2), "b a c a b z", "z z") == ["z", "a", "b", "<unk>", "<|end|>"]


def test_an_unknown_word_is_one_unknown_token() -> None:
    tokenizer = Word(min_count=1).assemble(site(["the cat sat"]))
    assert tokenizer.decode(tokenizer.encode("the dog sat")) == "the <unk> sat"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's 1,000.5 km, isn't it?", ["It's", "1,000.5", "km", ",", "isn't", "it", "?"]),
        ("snake_case(x1)", ["snake_case", "(", "x1", ")"]),
        ("nai\u0308ve हिन्दी", ["nai\u0308ve", "हिन्दी"]),
        ("'quoted' <|end|>", ["'", "quoted", "'", "<", "|", "end", "|", ">"]),
        ("in 2024.", ["in", "2024", "."]),
    ],
)
def test_words_numbers_and_signs_are_told_apart(text: str, words: list[str]) -> None:
    assert _split(text) == words


def test_newlines_are_tokens_or_lost() -> None:
    assert _split("a\n\nb") == ["a", "\n", "\n", "b"]
    assert _split("a\n\nb", newlines=False) == ["a", "b"]


def test_capitals_are_kept_or_lost() -> None:
    assert _split("The THE the") == ["The", "THE", "the"]
    assert _split("The THE the", lowercase=True) == ["the", "the", "the"]


def test_decoding_puts_no_space_before_punctuation_or_at_the_start() -> None:
    text = "the cat sat, quickly; \u201ca dog\u201d ran!"
    tokenizer = Word(min_count=1).assemble(site([text]))
    assert tokenizer.decode(tokenizer.encode(text)) == "the cat sat, quickly; \u201c a dog\u201d ran!"


def test_it_says_that_it_loses_text_and_cannot_spell() -> None:
    tokenizer = Word(min_count=1).assemble(site(["a"]))
    assert not tokenizer.lossless
    assert tokenizer.unknown_bits is None


def test_too_high_a_min_count_names_the_highest_that_works() -> None:
    with pytest.raises(PartError, match="lower min_count to 3"):
        Word(min_count=4).assemble(site(["a b a c a"]))


@pytest.mark.parametrize("words", [["a", "a"], ["a", ""], ["a", 1], "ab", None])
def test_damaged_words_are_an_input_error(words: object) -> None:
    with pytest.raises(InputError, match="words"):
        Word().restore({"words": words, "lowercase": False, "newlines": True})
