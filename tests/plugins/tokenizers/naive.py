"""Byte-pair encoding as one would write it on a blackboard: nothing incremental, nothing shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise


def joined(word: list[int], pair: tuple[int, int], made: int) -> list[int]:
    """The word with each occurrence of the pair, from the left, replaced."""
    result: list[int] = []
    index = 0
    while index < len(word):
        if tuple(word[index : index + 2]) == pair:
            result.append(made)
            index += 2
        else:
            result.append(word[index])
            index += 1
    return result


def train(pre_tokens: Iterable[bytes], merges: int, min_count: int) -> list[bytes]:
    """The merged tokens: highest count first, then smaller left id, then smaller right id."""
    words = [list(pre_token) for pre_token in pre_tokens]
    tokens = [bytes([byte]) for byte in range(256)]
    for _ in range(merges):
        counts = Counter(pair for word in words for pair in pairwise(word))
        if not counts:
            break
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[pair] < min_count:
            break
        words = [joined(word, pair, len(tokens)) for word in words]
        tokens.append(tokens[pair[0]] + tokens[pair[1]])
    return tokens[256:]


def encode(pre_token: bytes, merged: list[bytes]) -> list[bytes]:
    """The pre-token after every merge, in the order of training: neighbours that make up the merge are joined."""
    parts = [bytes([byte]) for byte in pre_token]
    for token in merged:
        result: list[bytes] = []
        for part in parts:
            if result and result[-1] + part == token and len(result[-1]) < len(token):
                result[-1] = token
            else:
                result.append(part)
        parts = result
    return parts
