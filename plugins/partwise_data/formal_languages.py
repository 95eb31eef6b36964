"""Formal languages: what networks of different kinds can and cannot compute at lengths that they were not trained on.

Even pairs, parity, cycle navigation and modular arithmetic are regular languages of the hierarchy tests of Delétang et
al. (2023, arXiv:2207.02098). The word problems of the permutation groups S5 and A5 are state tracking (Merrill et al.
2024, arXiv:2404.08819): solved by any network that can follow a finite automaton step by step.

`abba=y`: a string, and one symbol for the answer. Or a label for each prefix, which no model reads: `a[y]b[n]b[n]a[y]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, permutations
from typing import Literal

from partwise.data import Piece

from .drawing import Draw

Language = Literal["even_pairs", "parity", "cycle_navigation", "modular_arithmetic", "s5", "a5"]
CYCLE = 5
"""Places of the cycle, and the modulus of the arithmetic."""


@dataclass(frozen=True)
class Rules:
    """The symbols of a language, and the answer to a string of them."""

    symbols: str
    answer: Callable[[str], str]
    odd_lengths: bool = False
    """Whether strings alternate between numbers and operators, and so have odd lengths."""


@dataclass(frozen=True)
class FormalLanguage:
    """Strings of symbols drawn uniformly, in lengths drawn uniformly."""

    language: Language
    min_length: int
    max_length: int
    labels: Literal["answer", "every_prefix", "last"] = "answer"
    """A piece that follows the string and "="; or a label at every prefix that has a value; or at the last alone."""

    @property
    def sources(self) -> int:
        rules = RULES[self.language]
        if rules.odd_lengths:
            return sum(CYCLE ** (n // 2 + 1) * len(OPERATORS) ** (n // 2) for n in self._lengths())
        return sum(len(rules.symbols) ** length for length in self._lengths())

    def draw(self, draw: Draw) -> tuple[Piece, ...]:
        rules, lengths = RULES[self.language], self._lengths()
        length = lengths[draw.below(len(lengths))]
        if rules.odd_lengths:
            word = "".join(OPERATORS[draw.below(3)] if place % 2 else str(draw.below(CYCLE)) for place in range(length))
        else:
            word = "".join(rules.symbols[draw.below(len(rules.symbols))] for _ in range(length))
        if self.labels == "every_prefix":
            return tuple(self._labelled(word, rules))
        if self.labels == "last":
            return Piece(word, scored=False), Piece(rules.answer(word), read=False)
        # The end is known, whatever the string: it is not scored.
        return Piece(f"{word}=", scored=False), Piece(rules.answer(word)), Piece("", scored=False)

    def _labelled(self, word: str, rules: Rules) -> Iterator[Piece]:
        for length, symbol in enumerate(word, 1):
            yield Piece(symbol, scored=False)
            if length % 2 or not rules.odd_lengths:
                yield Piece(rules.answer(word[:length]), read=False)

    def _lengths(self) -> list[int]:
        odd = RULES[self.language].odd_lengths
        return [n for n in range(self.min_length, self.max_length + 1) if n % 2 or not odd]


OPERATORS = "+-*"


def even_pairs(word: str) -> str:
    """Whether "ab" and "ba" together occur an even number of times: y or n."""
    return "n" if sum(one != other for one, other in pairwise(word)) % 2 else "y"


def parity(word: str) -> str:
    """Whether "b" occurs an even number of times: y or n."""
    return "n" if word.count("b") % 2 else "y"


def cycle_navigation(word: str) -> str:
    """Where one stands on a cycle of five places after steps back (-), on (+), or none (0)."""
    return str((word.count("+") - word.count("-")) % CYCLE)


def modular_arithmetic(word: str) -> str:
    """The value of sums, differences and products modulo 5; a product comes before a sum, and there are no brackets."""
    total, sign, product = 0, 1, int(word[0])
    for operator, number in zip(word[1::2], map(int, word[2::2]), strict=True):
        if operator == "*":
            product *= number
        else:
            total, sign, product = total + sign * product, 1 if operator == "+" else -1, number
    return str((total + sign * product) % CYCLE)


@cache
def _elements(even: bool) -> tuple[tuple[int, ...], ...]:
    """The permutations of five things, or the even ones among them; the identity first."""
    return tuple(one for one in permutations(range(5)) if not even or _is_even(one))


def _is_even(permutation: tuple[int, ...]) -> bool:
    pairs = [(a, b) for index, a in enumerate(permutation) for b in permutation[index + 1 :]]
    return sum(a > b for a, b in pairs) % 2 == 0


def _symbols(even: bool) -> str:
    return "".join(chr(0x4E00 + index) for index in range(len(_elements(even))))


def _product(even: bool) -> Callable[[str], str]:
    def product(word: str) -> str:
        """The product of the elements, the first applied first."""
        elements, symbols = _elements(even), _symbols(even)
        state = elements[0]
        for symbol in word:
            step = elements[ord(symbol) - 0x4E00]
            state = tuple(step[place] for place in state)
        return symbols[elements.index(state)]

    return product


RULES: Mapping[Language, Rules] = {
    "even_pairs": Rules("ab", even_pairs),
    "parity": Rules("ab", parity),
    "cycle_navigation": Rules("-0+", cycle_navigation),
    "modular_arithmetic": Rules("01234" + OPERATORS, modular_arithmetic, odd_lengths=True),
    "s5": Rules(_symbols(even=False), _product(even=False)),
    "a5": Rules(_symbols(even=True), _product(even=True)),
}
