"""Every number below N once, in an order that (seed, epoch) decides, without a list of them in memory.

A Feistel network permutes the numbers of an even number of bits; one that it sends to N or beyond is sent on until it
is below N, which leaves a permutation of those below (Black and Rogaway 2002, "cycle walking").
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
ROUNDS = 6
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # those of splitmix64


def keys_of(seed: int, epochs: Numbers, words: int) -> npt.NDArray[np.uint64]:
    """[len(epochs), words] random numbers, which depend on the seed and on the epoch alone."""
    distinct, where = np.unique(epochs, return_inverse=True)
    drawn = [np.random.SeedSequence((seed, int(epoch))).generate_state(words, np.uint64) for epoch in distinct]
    return np.stack(drawn).astype(np.uint64)[where]


def permuted(places: Numbers, count: int, keys: npt.NDArray[np.uint64]) -> Numbers:
    """The numbers below `count` that stand at `places`, each under the keys [len(places), ROUNDS] of its own order."""
    half = np.uint64(max(1, (count - 1).bit_length() + 1 >> 1))
    found = places.astype(np.uint64)
    walking = np.arange(len(found))
    while len(walking):
        found[walking] = _feistel(found[walking], half, keys[walking])
        walking = walking[found[walking] >= count]
    return found.astype(np.int64)


def _feistel(numbers: npt.NDArray[np.uint64], half: np.uint64, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A permutation of the numbers of 2 * `half` bits."""
    low = (np.uint64(1) << half) - np.uint64(1)
    left, right = numbers >> half, numbers & low
    for key in keys.T:
        left, right = right, left ^ (_mixed(right + key) & low)
    return left << half | right


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Each as a random number of 64 bits; sums and products wrap around."""
    for shift, factor in zip((30, 27), _MIXERS, strict=True):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * factor
    return numbers ^ (numbers >> np.uint64(31))
