"""`Batch`: what a model reads in one pass.

Shapes: B rows, T positions, M positions of the source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

IGNORED = -100
"""Target of a position that is not scored; the default `ignore_index` of PyTorch's cross-entropy."""


@dataclass(frozen=True)
class Batch:
    """Token ids to train, evaluate or start decoding on."""

    tokens: Tensor
    """[B, T] int64, what the model reads; in a seq2seq model, what its decoder reads."""
    targets: Tensor
    """[B, T] int64, the token that follows each position, or its label; IGNORED where nothing is scored."""
    padding: Tensor | None = None
    """[B, T] bool, True where `tokens` holds a token and False where it is padded; None: no padding."""
    documents: Tensor | None = None
    """[B, T] int, which packed document a token belongs to."""
    source: Tensor | None = None
    """[B, M] int64, what an encoder reads."""
    source_padding: Tensor | None = None
    """[B, M] bool, True where `source` holds a token; None: no padding."""
    around: Tensor | None = None
    """[B, T, N] int64, the tokens near each position that it is predicted from, and from nothing else; IGNORED where
    there are fewer. For objectives and models of word vectors; None: a model reads `tokens`."""

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on `device`."""
        moved = {name: value.to(device) for name, value in vars(self).items() if value is not None}
        return replace(self, **moved)

    @property
    def scored(self) -> Tensor:
        """Number of scored targets, a scalar tensor."""
        return (self.targets != IGNORED).sum()
