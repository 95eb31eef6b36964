"""Learns byte pairs: starting from single bytes, the most frequent pair of neighbours becomes a token, again and again.

Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units" (2016), on bytes as in
GPT-2. Texts are first split into pre-tokens, which no merge crosses. The work is done once per *distinct* pre-token,
weighted by how often it occurs, and each merge touches only the places where its pair stands. The counts of pairs
wait in a heap. Once a pair is there its count can only fall, so an outdated entry is corrected when it reaches the top.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush, heapreplace
from itertools import chain

import numpy as np
import regex

from .patterns import PATTERNS, ascii_pattern
from .table import without_surrogates

Pair = tuple[int, int]

GAP = -1
"""Stands between pre-tokens."""
GONE = -2
"""Stands where a token has become part of the one before it."""
PORTION = 1 << 16
"""Characters after which a long text is cut at the next safe place."""

# No pattern but "none" crosses from a visible character to a space, or looks beyond it.
_SAFE_CUT = re.compile(r"\S(?= )")


def train_bpe(texts: Iterable[str], vocab_size: int, pattern: str, min_count: int) -> list[bytes]:
    """The tokens that byte-pair encoding adds to the 256 bytes, in the order they are made.

    `vocab_size` counts the 256 bytes and one end token; there are fewer tokens if no pair is left that occurs
    `min_count` times. Among equally frequent pairs the one with the smaller left id is taken, then the one with the
    smaller right id; ids are the bytes from 0 to 255, then the merges in the order they were made. Each text is split
    by `PATTERNS[pattern]` on its own: nothing is learned across the boundary of two texts.
    """
    tokens = [bytes([byte]) for byte in range(256)]
    pre_tokens = _PreTokens(count_pre_tokens(texts, pattern), min_count)
    counts = pre_tokens.counts
    queue = [(-count, pair) for pair, count in counts.items()]
    heapify(queue)
    while queue and len(tokens) < vocab_size - 1:
        expected, pair = queue[0]
        count = counts[pair]
        if count < min_count:
            heappop(queue)
        elif count < -expected:
            heapreplace(queue, (-count, pair))
        else:
            heappop(queue)
            for entry in pre_tokens.merge(pair, len(tokens)):
                heappush(queue, entry)
            left, right = pair
            tokens.append(tokens[left] + tokens[right])
    return tokens[256:]


def count_pre_tokens(texts: Iterable[str], pattern: str) -> dict[bytes, int]:
    """How often each pre-token occurs when the pattern splits the texts."""
    counts: Counter[str] = Counter()
    any_text = regex.compile(PATTERNS[pattern]).findall
    ascii_text = re.compile(ascii_pattern(pattern), re.ASCII).findall
    for text in map(without_surrogates, texts):
        for portion in [text] if pattern == "none" else _portions(text):
            counts.update((ascii_text if portion.isascii() else any_text)(portion))
    return {pre_token.encode(): count for pre_token, count in counts.items()}


def _portions(text: str) -> Iterator[str]:
    """The text in portions that a pattern splits as it would split the whole; one with letters beyond ASCII is slow."""
    start = 0
    while cut := _SAFE_CUT.search(text, start + PORTION):
        yield text[start : cut.end()]
        start = cut.end()
    yield text[start:]


class _PreTokens:
    """All distinct pre-tokens in a row, with gaps between, as one linked list of ids that shrinks as pairs merge.

    `counts` holds every pair there ever was and how often it occurs now, weighted. `_places` holds the positions of
    the left token, in rising order, for pairs that may still be merged; some positions may be outdated.
    """

    def __init__(self, words: dict[bytes, int], min_count: int) -> None:
        self._min_count = min_count
        lengths = np.fromiter(map(len, words), np.int64, len(words)) + 1
        inside = np.ones(lengths.sum(), bool)
        inside[lengths.cumsum() - 1] = False
        ids = np.full(len(inside), GAP)
        ids[inside] = np.frombuffer(b"".join(words), np.uint8)
        weights = np.repeat(np.fromiter(words.values(), np.int64, len(words)), lengths)
        self._ids: list[int] = ids.tolist()
        self._weights: list[int] = weights.tolist()
        self._next = list(range(1, len(ids) + 1))
        self._previous = list(range(-1, len(ids) - 1))

        places = np.flatnonzero(inside[:-1] & inside[1:])
        keys = ids[places] * 256 + ids[places + 1]
        order = np.argsort(keys, kind="stable")
        distinct, starts = np.unique(keys[order], return_index=True)
        by_pair = [found.tolist() for found in np.split(places[order], starts[1:])]
        pairs: list[Pair] = [divmod(key, 256) for key in distinct.tolist()]
        self._places = dict(zip(pairs, by_pair, strict=False))  # of no pairs, np.split makes one empty part
        self.counts = {pair: sum(map(self._weights.__getitem__, found)) for pair, found in self._places.items()}

    def merge(self, pair: Pair, made: int) -> list[tuple[int, Pair]]:
        """Puts the id `made` wherever `pair` stands, from left to right.

        Returns the new pairs that are frequent enough, each as (-count, pair).
        """
        left, right = pair
        ids, following, previous, weights, counts = self._ids, self._next, self._previous, self._weights, self.counts
        before: defaultdict[int, list[int]] = defaultdict(list)
        after: defaultdict[int, list[int]] = defaultdict(list)
        for place in self._places.pop(pair):
            second = following[place]
            if ids[place] != left or ids[second] != right:
                continue
            first, third = previous[place], following[second]
            ids[place], ids[second] = made, GONE
            following[place], previous[third] = third, place
            neighbour = ids[first]
            if neighbour >= 0:
                if neighbour != made:
                    counts[neighbour, left] -= weights[place]
                before[neighbour].append(first)
            neighbour = ids[third]
            if neighbour >= 0:
                counts[right, neighbour] -= weights[place]
                after[neighbour].append(place)
        if left in after:  # some of these neighbours were the left half of the next place, and merged after all
            after[left] = [place for place in after[left] if ids[following[place]] == left]
        return self._count_new(
            chain(
                (((neighbour, made), found) for neighbour, found in before.items()),
                (((made, neighbour), found) for neighbour, found in after.items()),
            )
        )

    def _count_new(self, found: Iterable[tuple[Pair, list[int]]]) -> list[tuple[int, Pair]]:
        """Counts new pairs, and keeps the places of those that are frequent enough to be merged."""
        weight = self._weights.__getitem__
        frequent = []
        for pair, places in found:
            self.counts[pair] = count = sum(map(weight, places))
            if count >= self._min_count:
                self._places[pair] = places
                frequent.append((-count, pair))
        return frequent
