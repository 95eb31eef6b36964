"""`EncodedSplit`: one split of a data set as token ids, and what its figures mean in bits per byte."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy.typing as npt

from .protocols import Split

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class EncodedSplit:
    """One split as token ids. All arrays are memory maps, read only."""

    name: Split
    form: Literal["stream", "examples"]
    tokens: Array
    """[N] uint16, or uint32 for a large vocabulary: an end token, then every text with an end token after it."""
    scored: Array | None
    """[N] bool, whether a token counts as a target; an end token counts with the piece before it. None: all do."""
    bounds: Array | None
    """[examples + 1] int64, where in `tokens` the end tokens stand: example i is what lies between
    `bounds[i]` and `bounds[i + 1]`. None for a stream."""
    cuts: Array | None
    """[examples] int64, where the target of a pair begins; -1: not a read piece and then a scored one."""
    scored_tokens: int
    """Targets, end tokens included."""
    text_bytes: int
    """UTF-8 bytes of the scored text."""
    unknowns: int
    """Scored tokens that are the unknown token."""
    lossless: bool
    """Whether the text can be had back from the tokens, but for the unknowns."""
    unknown_bits: float | None
    """Bits that spell out one unknown; None if it cannot be."""
    data_hash: str
    """A hash of the texts themselves, whatever the tokenizer, and wherever they were read from."""

    def bits_per_byte(self, nats_per_token: float) -> float | None:
        """Bits that a model of this loss needs for each byte of the scored text: the figure that compares tokenizers.

        It is the length of a message from which the text can be restored, over the length of the text. So
        the unknowns must be paid for: the model says *that* there is one, and `unknown_bits` spell out
        what it stands for; without them, a tokenizer that knows no word would look best. Where no such
        message exists (the tokenizer loses text, or cannot spell) there is no figure: None.
        """
        if not self.lossless or not self.text_bytes or (self.unknowns and self.unknown_bits is None):
            return None
        spelling = self.unknowns * (self.unknown_bits or 0.0)
        return (nats_per_token * self.scored_tokens / math.log(2) + spelling) / self.text_bytes


def data_hash(encoded: Mapping[Split, EncodedSplit]) -> str:
    """A hash of all texts of several splits; the same wherever and however they are stored."""
    facts = sorted((name, split.data_hash) for name, split in encoded.items())
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
