"""Rows of examples: one row each, as a sequence or as a pair of source and target, padded on the right.

Shapes: B rows, T positions of the longest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from partwise.errors import InputError

from .batch import IGNORED, Batch
from .encoded import EncodedSplit
from .rows import Indices, token_ids


class Sequences:
    """Each example is read whole: the end token, then all pieces one after the other.

    Raises:
        InputError: an example is longer than the context.
    """

    def __init__(self, split: EncodedSplit, context: int, end: int) -> None:
        assert split.bounds is not None and split.scored is not None, "examples have both"  # noqa: PT018
        self.tokens, self.scored, bounds = (np.asarray(array) for array in (split.tokens, split.scored, split.bounds))
        self.end = end
        self.starts, self.lengths = bounds[:-1], np.diff(bounds)
        self.draws = self.count = len(self.lengths)
        _check_length(split, "example", self.lengths, context)

    def drawn(self, indices: Indices) -> Batch:
        places, real = _places(self.starts[indices], self.lengths[indices], len(self.tokens))
        following = places[:, 1:]
        targets = np.where(real & self.scored[following], self.tokens[following].astype(np.int64), IGNORED)
        tokens = np.where(real, self.tokens[places[:, :-1]], self.end)
        return Batch(token_ids(tokens), token_ids(targets), padding=_padding(real))

    listed = drawn


class Pairs:
    """The source of each example is for an encoder; a decoder reads the end token and then the target.

    Raises:
        InputError: an example is no pair, or its source or target is longer than the context.
    """

    def __init__(self, split: EncodedSplit, context: int, end: int) -> None:
        assert split.bounds is not None and split.cuts is not None, "examples have both"  # noqa: PT018
        self.tokens, self.cuts, bounds = (np.asarray(array) for array in (split.tokens, split.cuts, split.bounds))
        self.end = end
        self.starts = bounds[:-1] + 1
        self.draws = self.count = len(self.cuts)
        self._check_pairs(split)
        self.source_lengths, self.target_lengths = self.cuts - self.starts, bounds[1:] + 1 - self.cuts
        _check_length(split, "source", self.source_lengths, context)
        _check_length(split, "target", self.target_lengths, context)

    def _check_pairs(self, split: EncodedSplit) -> None:
        wrong = np.flatnonzero(self.cuts <= self.starts)
        if not len(wrong):
            return
        no_pair = self.cuts[wrong[0]] < 0
        what = "is not a source that is read and a target that is scored" if no_pair else "has no source"
        raise InputError(
            f"this model reads pairs of source and target, and example {wrong[0]} of the {split.name} split {what}; "
            'use data of pairs ("dates", "reverse", "pairs" ...), or a model that reads sequences'
        )

    def drawn(self, indices: Indices) -> Batch:
        cuts = self.cuts[indices]
        source_places, source_real = _places(self.starts[indices], self.source_lengths[indices], len(self.tokens))
        places, real = _places(cuts - 1, self.target_lengths[indices], len(self.tokens))
        tokens = np.where(real, self.tokens[places[:, :-1]], self.end)
        tokens[:, 0] = self.end  # where the last token of the source stands
        return Batch(
            token_ids(tokens),
            token_ids(np.where(real, self.tokens[places[:, 1:]].astype(np.int64), IGNORED)),
            padding=_padding(real),
            source=token_ids(np.where(source_real, self.tokens[source_places[:, :-1]], self.end)),
            source_padding=_padding(source_real),
        )

    listed = drawn


def _check_length(split: EncodedSplit, what: str, lengths: Indices, context: int) -> None:
    if len(lengths) and lengths.max() > context:
        raise InputError(
            f"the longest {what} of the {split.name} split (number {lengths.argmax()}) takes {lengths.max()} tokens, "
            f"and the model's context is {context}; raise the context to {lengths.max()}, or use shorter examples"
        )


def _places(starts: Indices, lengths: Indices, end: int) -> tuple[Indices, npt.NDArray[np.bool_]]:
    """Indices [B, T + 1] of each row's tokens, and [B, T] whether each but the last lies within its row."""
    offsets = np.arange(lengths.max() + 1)
    real = offsets[:-1] < lengths[:, None]
    return np.minimum(starts[:, None] + offsets, end - 1), real


def _padding(real: npt.NDArray[np.bool_]) -> torch.Tensor | None:
    """The padding of a batch; None if no row is padded, because models are faster without."""
    return None if real.all() else torch.from_numpy(real)
