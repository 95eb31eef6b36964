"""English in small: sentences of a probabilistic grammar whose entropy is known exactly, the floor of every loss.

Number agrees across clauses that nest (`the dogs that a cat sees run .`). Every sentence has one derivation only
(the word after `that` tells the two kinds of clause apart, and words of different classes and numbers differ), so
the entropy of sentences is that of derivations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from typing import Literal

from partwise.data import Example, Piece, Split

from .drawing import Draw, Sizes, word_list
from .pcfg import Rules, SentenceSampler, entropy_of, length_of
from .splits import digest

NOUNS = word_list("dog cat bird horse fox cow bear goat pig duck frog hen lion crab mole newt seal swan toad wasp")
TRANSITIVE = word_list(
    "see chase follow hear help know like meet fear find greet guard lead miss need push seek teach trust want"
)
INTRANSITIVE = word_list(
    "run sleep sing jump swim dance laugh smile wait rest bark climb crawl cry float hide hop snore think walk"
)
PORTION = 1 << 20


class GrammarText:
    """A stream: one text per split, one sentence per line. Splits are drawn independently, so that short sentences are
    in several: leaving out those of another split would change the entropy."""

    form: Literal["stream", "examples"] = "stream"

    def __init__(self, relative: float, words: int, skew: float, sizes: Sizes, seed: int) -> None:
        self.rules = english(relative, words, skew)
        self.sizes = sizes
        self.seed = seed

    def examples(self, split: Split) -> Iterator[Example]:
        text, size, length = [], getattr(self.sizes, split), 0
        for sentence, _ in self.sentences(split):
            text.append(sentence)
            length += len(sentence)
            if length >= PORTION or length >= size:
                yield Example((Piece("".join(text)),), ends=length >= size)
                text, size, length = [], size - length, 0

    def identity(self) -> str:
        return digest("grammar", 1, self.rules, asdict(self.sizes), self.seed)

    @cached_property
    def entropy(self) -> float:
        """Nats per character that no model can beat on average; characters are bytes here."""
        return entropy_of(self.rules) / length_of(self.rules)

    def surprisal(self, split: Split) -> float:
        """Nats per character of a split's own text under the grammar: `entropy`, apart from chance."""
        drawn = [(len(sentence), nats) for sentence, nats in self.sentences(split)]
        return sum(nats for _, nats in drawn) / sum(length for length, _ in drawn)

    def sentences(self, split: Split) -> Iterator[tuple[str, float]]:
        """The sentences of a split and their surprisals in nats, up to its size in characters."""
        sampler, left = SentenceSampler(self.rules, Draw(f"{self.seed} {split}")), getattr(self.sizes, split)
        while left > 0:
            sentence, nats = sampler.sentence()
            left -= len(sentence)
            yield sentence, nats


def english(relative: float, words: int, skew: float) -> Rules:
    """The grammar: `relative` is how likely a noun carries a clause; each class has `words` words, of which the
    k-th most frequent has a probability in proportion to k^-skew."""
    rules: dict[str, list[tuple[float, tuple[str, ...]]]] = {
        "sentence": [
            (0.5, ("noun phrase 1", "verb phrase 1", ".\n")),
            (0.5, ("noun phrase 2", "verb phrase 2", ".\n")),
        ],
        "object": [(0.5, ("noun phrase 1",)), (0.5, ("noun phrase 2",))],
        "clause inside": [(0.5, ("noun phrase 1", "transitive 1")), (0.5, ("noun phrase 2", "transitive 2"))],
        "article 1": [(0.5, ("the ",)), (0.5, ("a ",))],
        "article 2": [(0.5, ("the ",)), (0.5, ("some ",))],
    }
    weights = [rank**-skew for rank in range(1, words + 1)]
    shares = [weight / sum(weights) for weight in weights]
    for number, noun_end, verb_end in (("1", "", "s"), ("2", "s", "")):
        noun = (f"article {number}", f"noun {number}")
        rules[f"noun phrase {number}"] = [
            (1 - relative, noun),
            (relative / 2, (*noun, "that ", f"verb phrase {number}")),
            (relative / 2, (*noun, "that ", "clause inside")),
        ]
        rules[f"verb phrase {number}"] = [(0.5, (f"intransitive {number}",)), (0.5, (f"transitive {number}", "object"))]
        for symbol, stems, end in (
            ("noun", NOUNS, noun_end),
            ("transitive", TRANSITIVE, verb_end),
            ("intransitive", INTRANSITIVE, verb_end),
        ):
            rules[f"{symbol} {number}"] = [
                (share, (_inflected(stem, end),)) for share, stem in zip(shares, stems[:words], strict=True)
            ]
    return {symbol: [choice for choice in choices if choice[0] > 0] for symbol, choices in rules.items()}


def _inflected(stem: str, end: str) -> str:
    if end and stem.endswith(("ch", "sh", "ss", "x")):
        end = "es"
    elif end and stem.endswith("ry"):
        stem, end = stem[:-1], "ies"
    return f"{stem}{end} "
