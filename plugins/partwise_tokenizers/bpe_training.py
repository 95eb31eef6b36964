"""Learns byte pairs: starting from single bytes, the most frequent pair of neighbours becomes a token, again and again.

Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units" (2016), on bytes as in
GPT-2. The work is done once per *distinct* stretch of text, weighted by how often it occurs, and each merge
touches only the places where its pair stands. The counts of pairs wait in a heap; a count can only sink after
its pair has appeared, so an entry that is out of date is put right when it comes to the top.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush, heapreplace
from itertools import pairwise

import regex

from .patterns import PATTERNS, ascii_pattern
from .table import whole

Pair = tuple[int, int]

GAP = -1
"""Stands between stretches."""
GONE = -2
"""Stands where a token was that is now part of the one before it."""
PORTION = 1 << 16
"""Characters after which a long text may be cut."""

# No pattern crosses from a visible character to a space, nor looks beyond it.
_SAFE_CUT = re.compile(r"\S(?= )")


def train_bpe(texts: Iterable[str], vocab_size: int, pattern: str, min_count: int) -> list[bytes]:
    """The tokens that byte-pair encoding adds to the 256 bytes, in the order they are made.

    `vocab_size` counts the 256 bytes and one end token; there are fewer tokens if no pair is left that occurs
    `min_count` times. Of pairs equally frequent, the one with the smaller left id is taken, then the smaller
    right id: ids are the bytes 0 to 255, then the merges as they were made. Each text is cut by
    `PATTERNS[pattern]` on its own; nothing is learned across the boundary of two texts.
    """
    tokens = [bytes([byte]) for byte in range(256)]
    stretches = _Stretches(count_stretches(texts, pattern), min_count)
    counts = stretches.counts
    queue = [(-count, pair) for pair, count in counts.items()]
    heapify(queue)
    while queue and len(tokens) < vocab_size - 1:
        negative, pair = queue[0]
        count = counts[pair]
        if count < -negative:
            heapreplace(queue, (-count, pair))
            continue
        if count < min_count:
            break
        heappop(queue)
        for count, fresh in stretches.merge(pair, len(tokens)):
            heappush(queue, (-count, fresh))
        left, right = pair
        tokens.append(tokens[left] + tokens[right])
    return tokens[256:]


def count_stretches(texts: Iterable[str], pattern: str) -> dict[bytes, int]:
    """How often each stretch occurs that the pattern cuts texts into."""
    counts: Counter[str] = Counter()
    any_text = regex.compile(PATTERNS[pattern]).findall
    ascii_text = re.compile(ascii_pattern(pattern), re.ASCII).findall
    for text in texts:
        for portion in [whole(text)] if pattern == "none" else _portions(whole(text)):
            counts.update((ascii_text if portion.isascii() else any_text)(portion))
    return {stretch.encode(): count for stretch, count in counts.items()}


def _portions(text: str) -> Iterator[str]:
    """The text in pieces that can be cut by a pattern on their own, so that one odd letter slows down only one."""
    start = 0
    while cut := _SAFE_CUT.search(text, start + PORTION):
        yield text[start : cut.end()]
        start = cut.end()
    yield text[start:]


class _Stretches:
    """All distinct stretches, end to end with gaps between, as linked lists of ids that shrink as pairs merge.

    `counts` holds every pair and how often it occurs, weighted. `_places` holds, for pairs that may still be
    merged, the positions of their left token in rising order; some may be out of date, which `merge` sees.
    """

    def __init__(self, words: dict[bytes, int], min_count: int) -> None:
        self._min_count = min_count
        self._ids: list[int] = []
        self._weights: list[int] = []
        for word, count in words.items():
            self._ids += word
            self._ids.append(GAP)
            self._weights += [count] * (len(word) + 1)
        self._next = list(range(1, len(self._ids) + 1))
        self._previous = list(range(-1, len(self._ids) - 1))
        places: defaultdict[Pair, list[int]] = defaultdict(list)
        for position, pair in enumerate(pairwise(self._ids)):
            places[pair].append(position)
        self._places = {pair: found for pair, found in places.items() if GAP not in pair}
        self.counts = {pair: self._weigh(found) for pair, found in self._places.items()}

    def _weigh(self, places: list[int]) -> int:
        return sum(map(self._weights.__getitem__, places))

    def merge(self, pair: Pair, made: int) -> Iterator[tuple[int, Pair]]:
        """Puts the id `made` wherever `pair` stands, left to right; returns the new pairs that are frequent enough."""
        left, right = pair
        ids, following, previous, weights, counts = self._ids, self._next, self._previous, self._weights, self.counts
        before: defaultdict[int, list[int]] = defaultdict(list)
        after: defaultdict[int, list[int]] = defaultdict(list)
        for place in self._places.pop(pair):
            second = following[place]
            if ids[place] != left or ids[second] != right:
                continue
            third, first = following[second], previous[place]
            ids[place], ids[second] = made, GONE
            following[place], previous[third] = third, place
            neighbour = ids[first]
            if neighbour != GAP:
                if neighbour != made:
                    counts[neighbour, left] -= weights[place]
                before[neighbour].append(first)
            neighbour = ids[third]
            if neighbour != GAP:
                counts[right, neighbour] -= weights[place]
                after[neighbour].append(place)
        if left in after:  # some of these neighbours were the left half of the next place, and merged after all
            after[left] = [place for place in after[left] if ids[following[place]] == left]
        created = [((neighbour, made), found) for neighbour, found in before.items()]
        created += [((made, neighbour), found) for neighbour, found in after.items()]
        for fresh, found in created:
            counts[fresh] = count = sum(map(weights.__getitem__, found))
            if count >= self._min_count:
                self._places[fresh] = found
                yield count, fresh
