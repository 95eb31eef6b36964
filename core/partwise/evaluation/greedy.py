"""Writing without chance: always the token that the model holds most likely.

Shapes: B rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from partwise.decoding.decoder import Decoder


class Greedy:
    """A sampler that draws nothing."""

    def generate(self, decoder: Decoder, limit: int, generator: torch.Generator) -> Iterator[Tensor]:
        ended: Tensor | None = None
        for written in range(1, limit + 1):
            tokens = decoder.logits.argmax(-1)
            if ended is not None:
                tokens = torch.where(ended, decoder.end, tokens)
            yield tokens
            over = decoder.ended(tokens)
            ended = over if ended is None else ended | over
            if written == limit or bool(ended.all()):
                return
            decoder.advance(tokens)


__all__ = ["Greedy"]
