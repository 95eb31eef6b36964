"""What a reader finds: how likely a model holds a continuation, or each token of a text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Likelihood:
    """How likely a model holds a continuation of a prompt."""

    nats: float
    """Minus the natural logarithm of its probability. What the tokenizer does not know costs, besides, what spelling it
    out takes, so that no tokenizer gains by knowing less."""
    tokens: int
    """Tokens that were scored."""
    greedy: bool
    """Whether each of them is the one that the model holds most likely."""

    @property
    def bits(self) -> float:
        """The same in bits."""
        return self.nats / math.log(2)


@dataclass(frozen=True, eq=False)
class TextReading:
    """How likely a model holds each token of a text."""

    windows: tuple[Tensor, ...]
    """Of each stretch that was read at once, one after the other: float64 [n], nats of its tokens."""
    bytes: int
    """UTF-8 bytes of the text."""
    spelling: float | None
    """Bits that spell out what the tokenizer does not know; None if no message restores the text."""

    @property
    def nats(self) -> float:
        """Of the whole text, without any spelling."""
        return math.fsum(float(window.sum()) for window in self.windows)

    @property
    def tokens(self) -> int:
        """Tokens that were scored."""
        return sum(len(window) for window in self.windows)

    @property
    def bits(self) -> float | None:
        """Length of a message from which the text can be restored; None if there is none."""
        return None if self.spelling is None else self.nats / math.log(2) + self.spelling


__all__ = ["Likelihood", "TextReading"]
