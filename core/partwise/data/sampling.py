"""A sample of texts that depends on the texts alone, for what cannot learn from more than fits into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from partwise.wording import size_in_words

_BITS = 20
"""Of a hash, which say in which of the heaps a text is."""


def sampled_texts(
    texts: Callable[[], Iterable[str]], most: int | None, say: Callable[[str], None] = lambda line: None
) -> Iterator[str]:
    """All texts, if they have no more than `most` bytes; of more, those of least SHA-256, as many as fit, in order.

    However many there are, none is held in memory: they are read twice. In the order of their hashes they are taken by
    heaps of about a millionth (2^-20) of all; the first heap is taken even if it has more bytes.

    Args:
        texts: yields them, from the start at each call; a long text in several pieces, each of which is taken or left.
        most: bytes of UTF-8. None: all.
        say: called with a line about what is taken, if that is not all.
    """
    if most is None:
        yield from texts()
        return
    sizes, counts = np.zeros(1 << _BITS, np.int64), np.zeros(1 << _BITS, np.int64)
    for text in texts():
        heap, size = _heap(text)
        sizes[heap] += size
        counts[heap] += 1
    if sizes.sum() <= most:
        yield from texts()
        return
    last = max(int(np.searchsorted(sizes.cumsum(), most, "right")) - 1, int(np.flatnonzero(sizes)[0]))
    taken = slice(0, last + 1)
    say(
        f"learning from {counts[taken].sum():,} of {counts.sum():,} texts, {size_in_words(sizes[taken].sum())} of "
        f"{size_in_words(sizes.sum())}: those of least SHA-256"
    )
    for text in texts():
        if _heap(text)[0] <= last:
            yield text


def _heap(text: str) -> tuple[int, int]:
    """In which heap a text is, and its bytes."""
    raw = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(raw).digest()[:4], "big") >> (32 - _BITS), len(raw)
