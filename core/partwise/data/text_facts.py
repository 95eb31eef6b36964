"""What is counted of texts while they are encoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .chunks import Chunk
from .encoded import Array
from .protocols import Tokenizer


@dataclass(frozen=True)
class TextFacts:
    """Counts of some texts; the fields are those of `EncodedSplit` of these names. Those of several texts add up."""

    scored_tokens: int = 0
    text_bytes: int = 0
    unknowns: int = 0
    lossless: bool = True

    def __add__(self, other: TextFacts) -> TextFacts:
        return TextFacts(
            self.scored_tokens + other.scored_tokens,
            self.text_bytes + other.text_bytes,
            self.unknowns + other.unknowns,
            self.lossless and other.lossless,
        )


def facts_of(
    chunk: Chunk, raws: list[bytes], ids: Array, lengths: Array, end_tokens: int, tokenizer: Tokenizer, try_loss: bool
) -> TextFacts:
    """What is counted of a chunk.

    Args:
        raws: its pieces in UTF-8.
        ids: their tokens, one piece after the other.
        lengths: number of tokens of each piece.
        end_tokens: number of end tokens that are scored.
        try_loss: whether to try if the texts come back; where a tokenizer promises that, there is no need.
    """
    scored = np.array(chunk.scored, bool)
    sizes = np.fromiter(map(len, raws), np.int64, len(raws))
    unknowns = 0
    if tokenizer.unknown is not None:
        found = ids == tokenizer.unknown
        unknowns = int(np.count_nonzero(found if scored.all() else found & np.repeat(scored, lengths)))
    return TextFacts(
        scored_tokens=int(lengths[scored].sum()) + end_tokens,
        text_bytes=int(sizes[scored].sum()),
        unknowns=unknowns,
        lossless=not try_loss or _all_come_back(chunk, raws, ids, lengths, tokenizer),
    )


def _all_come_back(chunk: Chunk, raws: list[bytes], ids: Array, lengths: Array, tokenizer: Tokenizer) -> bool:
    """Whether the tokens restore each piece; tried until one is lost."""
    begins, start = not chunk.continues, 0
    for raw, length, ends in zip(raws, lengths.tolist(), chunk.ends, strict=True):
        own = ids[start : start + length].tolist()
        if begins:  # where decoding may take a space away
            came_back = tokenizer.decode(own).encode("utf-8", "surrogatepass")
        else:
            came_back = b"".join(map(tokenizer.token_bytes, own))
        if came_back != raw:
            return False
        begins, start = ends, start + length
    return True
