"""The grammar: its entropy is exact, and its sentences follow it."""

from __future__ import annotations

import math
from functools import lru_cache

import pytest

from partwise.parts import DataSite
from partwise_data.drawing import Draw
from partwise_data.grammar import english
from partwise_data.parts import Grammar
from partwise_data.pcfg import Rules, SentenceSampler, entropy_of, length_of

SPLITS = ("train", "valid", "test")


def text(part: Grammar, split: str) -> str:
    return "".join(example.pieces[0].text for example in part.build(DataSite()).examples(split))


def probability(rules: Rules, words: tuple[str, ...]) -> float:
    """Sum over *all* derivations of a sentence, by the inside algorithm."""

    @lru_cache(None)
    def inside(symbol: str, start: int, stop: int) -> float:
        if symbol not in rules:
            return float(words[start:stop] == (symbol,))
        return sum(p * chain(parts, start, stop) for p, parts in rules[symbol])

    @lru_cache(None)
    def chain(symbols: tuple[str, ...], start: int, stop: int) -> float:
        if len(symbols) == 1:
            return inside(symbols[0], start, stop)
        return sum(
            inside(symbols[0], start, middle) * chain(symbols[1:], middle, stop)
            for middle in range(start + 1, stop - len(symbols) + 2)
        )

    return inside(next(iter(rules)), 0, len(words))


def test_every_sentence_has_one_derivation_only() -> None:
    rules = english(0.5, 2, 1.0)
    sampler = SentenceSampler(rules, Draw(0))
    lengths = set()
    for _ in range(150):
        sentence, nats = sampler.sentence()
        words = (*(f"{word} " for word in sentence.split()[:-1]), ".\n")
        if len(words) <= 16:
            lengths.add(len(words))
            assert probability(rules, words) == pytest.approx(math.exp(-nats))
    assert max(lengths) > 10


def test_the_entropy_of_a_grammar_small_enough_to_write_out() -> None:
    # S -> "a" S | "b": geometric. H = H(p) / (1 - p), and 1 / (1 - p) characters.
    p = 0.3
    rules: Rules = {"S": [(p, ("a", "S")), (1 - p, ("b",))]}
    assert length_of(rules) == pytest.approx(1 / (1 - p))
    assert entropy_of(rules) == pytest.approx(-(p * math.log(p) + (1 - p) * math.log(1 - p)) / (1 - p))


def test_without_clauses_the_entropy_adds_up_by_hand() -> None:
    # number, article and noun, then half: intransitive; half: transitive, number, article, noun.
    words = math.log(4)
    phrase = math.log(2) + math.log(2) + words
    expected = phrase + math.log(2) + words + phrase / 2
    assert entropy_of(english(0, 4, 0)) == pytest.approx(expected)


def test_the_surprisal_of_a_long_text_is_its_entropy_but_for_chance() -> None:
    data = Grammar(size=400_000).build(DataSite())
    assert data.surprisal("train") == pytest.approx(data.entropy, rel=0.01)
    assert data.surprisal("train") != data.entropy


def test_more_skew_or_fewer_words_mean_less_entropy() -> None:
    def entropy(**knobs: float) -> float:
        return Grammar(**knobs).build(DataSite()).entropy

    assert entropy(skew=2.0) < entropy(skew=1.0) < entropy(skew=0.0)
    assert entropy(words=2) < entropy(words=20)


def test_sentences_agree_in_number_and_nest_as_deep_as_asked() -> None:
    flat, deep = text(Grammar(relative=0, size=20_000), "train"), text(Grammar(relative=0.8, size=20_000), "train")
    assert "that" not in flat
    assert deep.count("that") > 500
    for sentence in flat.splitlines():
        _article, noun, verb, *_ = sentence.split()
        assert noun.endswith("s") != verb.endswith("s")


def test_sizes_are_reached_by_a_whole_sentence_and_splits_differ() -> None:
    part = Grammar(size=5_000, valid=1_000, test=0)
    texts = {split: text(part, split) for split in SPLITS}
    assert 5_000 <= len(texts["train"]) < 6_000
    assert 1_000 <= len(texts["valid"]) < 2_000
    assert texts["test"] == ""
    assert texts["train"].endswith(".\n")
    assert not texts["train"].startswith(texts["valid"][:200])
    assert all(char.isascii() for char in texts["train"])


def test_a_split_is_one_text_in_portions() -> None:
    examples = list(Grammar(size=2_500_000, words=3).build(DataSite()).examples("train"))
    assert [example.ends for example in examples] == [False, False, True]


def test_the_knobs_alone_decide_the_text_and_the_identity() -> None:
    plain = {"size": 1000, "valid": 100, "test": 100}
    changed = [{"relative": 0.2}, {"words": 5}, {"skew": 0.5}, {"seed": 1}, {"size": 1100}]
    assert text(Grammar(**plain), "train") == text(Grammar(**plain), "train")
    identities = {Grammar(**{**plain, **knobs}).build(DataSite()).identity() for knobs in [{}, {}, *changed]}
    assert len(identities) == 6
    assert len({text(Grammar(**{**plain, **knobs}), "train") for knobs in [{}, *changed]}) == 6
