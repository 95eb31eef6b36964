"""`EncodedSplit`: one split of a data set as token ids, with what a loss needs to be turned into bits per byte."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .protocols import Split

Array = npt.NDArray[Any]
_AT_ONCE = 2**24
"""Tokens that are counted at once, so that no split need fit into memory."""


@dataclass(frozen=True, eq=False)
class SplitFacts:
    """What is known of a split besides its tokens, which one `EncodedSplit` holds, or several (see `MixedSplit`)."""

    name: Split
    form: Literal["stream", "examples"]
    scored_tokens: int
    """Targets, end tokens included."""
    text_bytes: int
    """UTF-8 bytes of the scored text."""
    unknowns: int
    """Scored tokens that are the unknown token."""
    lossless: bool
    """Whether decoding the tokens restores these texts, except for the unknowns: tried, where the tokenizer does not
    promise it for every text."""
    unknown_bits: float | None
    """Bits that spell out one unknown; None if the tokenizer has no such code."""
    data_hash: str
    """A hash of the texts alone: independent of the tokenizer and of where they were read from."""

    def bits_per_byte(self, nats_per_token: float) -> float | None:
        """Bits that a model of this loss needs for each byte of the scored text: a figure that compares tokenizers.

        It is the length of a message from which the text can be restored, divided by the length of the text.
        Unknown tokens therefore cost extra: the model predicts *that* one stands there, and `unknown_bits` more
        spell out what it stands for. Without them, a tokenizer that knows no word would look best. None if no
        such message exists, because the tokenizer loses text or cannot spell out an unknown.
        """
        if self.why_no_bits_per_byte() is not None:
            return None
        spelling = self.unknowns * (self.unknown_bits or 0.0)
        return (nats_per_token * self.scored_tokens / math.log(2) + spelling) / self.text_bytes

    def why_no_bits_per_byte(self) -> str | None:
        """Why `bits_per_byte` is None whatever the loss; None if it is a number."""
        if not self.lossless:
            return f"the tokenizer loses text of the {self.name} split, so that no message restores it"
        if not self.text_bytes:
            return f"the {self.name} split has no scored text"
        if self.unknowns and self.unknown_bits is None:
            return (
                f"{self.unknowns:,} of the {self.scored_tokens:,} tokens of the {self.name} split are unknown to the "
                "tokenizer, which cannot spell them"
            )
        return None

    def unigram(self) -> tuple[float, float] | None:
        """What knowing only how often each token stands here is worth; None without a scored token.

        Returns:
            Entropy of the scored tokens in nats: the least loss of a model that reads no context. And the share of
            the most frequent one: the best accuracy of such a model.
        """
        counts = self.token_counts()
        total = counts.sum()
        if not total:
            return None
        shares = counts[counts > 0] / total
        return max(0.0, float(-(shares * np.log(shares)).sum())), float(shares.max())

    def token_counts(self) -> Array:
        """How often each id is a scored token, up to the highest that is."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class EncodedSplit(SplitFacts):
    """One split as token ids. All arrays are memory maps, read only."""

    tokens: Array
    """[N] uint16, or uint32 for a large vocabulary: an end token, then every text followed by an end token."""
    scored: Array | None
    """[N] bool, whether a token counts as a target; an end token counts as the piece before it does. None: all
    tokens count."""
    bounds: Array | None
    """[examples + 1] int64, indices of the end tokens in `tokens`: example i lies between `bounds[i]` and
    `bounds[i + 1]`. None for a stream."""
    cuts: Array | None
    """[examples] int64, index at which the target of a pair begins; -1 if the example is not a piece that is read,
    followed by one that is scored. None for a stream."""
    labels: Array | None = None
    """[L] int64, ascending: where in `tokens` labels stand, which are predicted and not read. None: there are none."""
    may_be_cut: bool = False
    """Whether examples that are longer than the context lose their ends, rather than being an error."""

    def token_counts(self) -> Array:
        """How often each id is a scored token, up to the highest that is."""
        counts = np.zeros(1, np.int64)
        for start in range(1, len(self.tokens), _AT_ONCE):  # the first is an end token, which nothing predicts
            part = slice(start, start + _AT_ONCE)
            ids = np.asarray(self.tokens[part] if self.scored is None else self.tokens[part][self.scored[part]])
            counts = added(counts, np.bincount(ids))
        return counts


def added(one: Array, other: Array) -> Array:
    """The sum of two arrays of counts, of which one may be shorter."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    total = longer.astype(np.int64)
    total[: len(shorter)] += shorter
    return total


def data_hash(encoded: Mapping[Split, SplitFacts]) -> str:
    """A hash of all texts of several splits, independent of where and how they are stored."""
    facts = sorted((name, split.data_hash) for name, split in encoded.items())
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
