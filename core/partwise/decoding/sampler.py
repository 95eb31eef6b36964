"""What a sampler promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .decoder import Decoder


class Sampler(Protocol):
    """Chooses what is written."""

    def generate(self, decoder: Decoder, limit: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Yields the tokens [B] that are appended, at most `limit` times, until every row has ended.

        A row that has ended yields the end token. A search yields once it has decided.
        """
        ...
