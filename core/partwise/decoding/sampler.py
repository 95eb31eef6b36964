"""`Sampler`: what the object that a sampler part builds must offer. Imports no torch at run time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .decoder import Decoder


class Sampler(Protocol):
    """Chooses each next token."""

    def generate(self, decoder: Decoder, limit: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Yields tokens [B], one per row, until every row has ended or `limit` tokens are written.

        It calls `decoder.advance` with the tokens that it yields, except for the last. A row has ended when its token
        is one of `decoder.ends`; from then on it yields `decoder.end`. A search, which cannot decide token by token,
        yields all of them once it has decided; where `decoder.stopped`, a text has ended, too. (Whoever shows the text
        cuts it there, and stops asking for more.)

        A sampler that only changes logits may be part of a `chain`, and take a draft's proposals, if it offers
        `filter(logits)`, from logits [B, V] to those whose softmax it draws from, or `filter_after(logits, text)` if
        that depends on `decoder.text`.

        Args:
            generator: the only source of randomness; on the decoder's device.
        """
        ...
