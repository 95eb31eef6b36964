"""Probabilistic context-free grammars: their entropy, the length of their texts, and draws (Booth & Thompson 1973).

The entropy of derivations is, for each symbol, that of its choice of rule plus that of the symbols which it is
expected to produce: a linear system.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate

import numpy as np

from .drawing import Draw

Rules = Mapping[str, list[tuple[float, tuple[str, ...]]]]
"""symbol -> alternatives, each with its probability; a symbol that is no key is text."""


def entropy_of(rules: Rules) -> float:
    """Nats per derivation from the first symbol."""
    own = {symbol: -sum(p * math.log(p) for p, _ in choices) for symbol, choices in rules.items()}
    return _summed_over_derivations(rules, own)


def length_of(rules: Rules) -> float:
    """Characters that the first symbol is expected to yield."""
    own = {
        symbol: sum(p * len(word) for p, words in choices for word in words if word not in rules)
        for symbol, choices in rules.items()
    }
    return _summed_over_derivations(rules, own)


def _summed_over_derivations(rules: Rules, own: Mapping[str, float]) -> float:
    """Expectation of the sum of `own` over all symbols of a derivation: total = own + produced @ total."""
    place = {symbol: index for index, symbol in enumerate(rules)}
    produced = np.zeros((len(rules), len(rules)))
    for symbol, choices in rules.items():
        for p, words in choices:
            for word in words:
                if word in rules:
                    produced[place[symbol], place[word]] += p
    totals = np.linalg.solve(np.eye(len(rules)) - produced, np.array([own[symbol] for symbol in rules]))
    return float(totals[0])


class SentenceSampler:
    """Draws sentences by their derivations."""

    def __init__(self, rules: Rules, draw: Draw) -> None:
        self.start = next(iter(rules))
        self.uniform = draw.uniform
        self.choices = {
            symbol: ([*accumulate(p for p, _ in choices)][:-1], [(words, -math.log(p)) for p, words in choices])
            for symbol, choices in rules.items()
        }

    def sentence(self) -> tuple[str, float]:
        """A sentence, and its surprisal in nats."""
        text, nats, agenda = [], 0.0, [self.start]
        while agenda:
            symbol = agenda.pop()
            if symbol in self.choices:
                bounds, alternatives = self.choices[symbol]
                words, surprisal = alternatives[bisect(bounds, self.uniform())]
                nats += surprisal
                agenda.extend(reversed(words))
            else:
                text.append(symbol)
        return "".join(text), nats
