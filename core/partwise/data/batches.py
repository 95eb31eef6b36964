"""Batches of token ids, cut from encoded splits.

A training batch depends on (seed, step, micro) and on nothing that happened before, so that a run resumes
where it stopped without replaying anything. The rows of a step form one endless sequence, of which
micro-batch m takes the m-th stretch: gradients accumulated over k micro-batches are those of the batch
k times as large, and as many workers may share a step.

Shapes: B rows, T positions, M positions of the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.stride_tricks import sliding_window_view

from partwise.errors import InputError

from .batch import IGNORED, Batch
from .encoded import EncodedSplit
from .protocols import Split

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


class Batches:
    """Batches for a model that reads `reads`, of at most `context` tokens a row.

    A stream gives windows of `context` tokens. Examples give one row each: a "sequence" model reads the end
    token and then all pieces, one after the other; a "pair" model reads the source, and the end token and
    then the target. What follows is the target at each position; the last target is the end token.
    Rows are padded on the right, with the end token.

    Raises:
        InputError: the data does not suit such a model: not pairs, longer than the context, or shorter
            than a window. Every split given is looked at here, before anything is trained.
    """

    def __init__(
        self, encoded: Mapping[Split, EncodedSplit], reads: Literal["sequence", "pair"], context: int, end: int
    ) -> None:
        self.encoded = dict(encoded)
        """The splits, which also turn a loss into bits per byte."""
        self.reads = reads
        self.context = context
        self.end = end
        self._rows = {name: _rows_of(split, reads, context, end) for name, split in encoded.items()}
        train = self._rows.get("train")
        if train is not None and train.draws < 1:
            raise _too_short(encoded["train"], context)

    def of_length(self, context: int) -> Batches:
        """The same texts in rows of another length.

        Raises:
            InputError: they do not suit it.
        """
        return Batches(self.encoded, self.reads, context, self.end)

    def train(self, step: int, size: int, seed: int, micro: int = 0) -> Batch:
        """The `micro`-th batch of `size` rows of training step `step`, drawn with replacement.

        Raises:
            KeyError: the training split was not given.
        """
        rows = self._rows["train"]
        # The rows of the micro-batches before it are drawn as well, at some nanoseconds each.
        drawn = np.random.default_rng((seed, step)).integers(rows.draws, size=(micro + 1) * size)
        return rows.drawn(drawn[micro * size :])

    def evaluation(self, split: Split, size: int, limit: int | None = None) -> Iterator[Batch]:
        """Batches of `size` rows (the last may have fewer) in which each token of the split is scored once.

        They are the same at every call. With a `limit`, at most so many batches, whose rows are spread evenly
        over the split.

        Raises:
            InputError: the split holds nothing.
        """
        rows = self._rows[split]
        if not rows.count:
            raise InputError(
                f"the {split} split holds no text to evaluate on; give it more of the data, or a file of its own"
            )
        chosen = np.arange(rows.count)
        if limit is not None and limit * size < rows.count:
            chosen = np.arange(limit * size) * rows.count // (limit * size)
        return (rows.listed(chosen[start : start + size]) for start in range(0, len(chosen), size))


class _Rows(Protocol):
    """One split, as rows for one kind of model."""

    draws: int
    """Rows that training may draw from."""
    count: int
    """Rows that cover the split, each token once."""

    def drawn(self, indices: Indices) -> Batch:
        """A batch of rows below `draws`."""
        ...

    def listed(self, indices: Indices) -> Batch:
        """A batch of rows below `count`."""
        ...


def _rows_of(split: EncodedSplit, reads: Literal["sequence", "pair"], context: int, end: int) -> _Rows:
    if split.form == "stream":
        if reads == "pair":
            raise InputError(
                "this model reads pairs of source and target, and the data is running text; "
                'use data of pairs ("dates", "reverse", "pairs" ...), or a model that reads sequences'
            )
        return _Windows(split, context, end)
    return _Pairs(split, context, end) if reads == "pair" else _Sequences(split, context, end)


def _too_short(split: EncodedSplit, context: int) -> InputError:
    if split.form == "examples":
        return InputError(f"the {split.name} split holds no examples; give it more of the data")
    return InputError(
        f"the {split.name} split holds {len(split.tokens)} tokens, fewer than a window of context + 1 = {context + 1}; "
        "give it more text, or the model a shorter context"
    )


class _Windows:
    """A stream: training draws a window at any offset; evaluation takes them side by side."""

    def __init__(self, split: EncodedSplit, context: int, end: int) -> None:
        self.tokens = np.asarray(split.tokens)
        self.context = context
        self.end = end
        self.draws = max(len(self.tokens) - context, 0)
        self.count = -(-(len(self.tokens) - 1) // context)
        # Every window there is, as a view that costs nothing: picking rows of it copies only those.
        self.windows = sliding_window_view(self.tokens, context + 1) if self.draws else None

    def drawn(self, indices: Indices) -> Batch:
        assert self.windows is not None, "nothing is drawn from a split without windows"
        picked = self.windows[indices]
        return Batch(_ids(picked[:, :-1]), _ids(picked[:, 1:]))

    def listed(self, indices: Indices) -> Batch:
        starts = indices * self.context
        if starts[-1] < self.draws:
            return self.drawn(starts)
        places = starts[:, None] + np.arange(self.context + 1)
        picked = self.tokens.take(places, mode="clip").astype(np.int64)
        real = places[:, 1:] < len(self.tokens)  # the positions that have a target
        return Batch(
            _ids(np.where(real, picked[:, :-1], self.end)),
            _ids(np.where(real, picked[:, 1:], IGNORED)),
            padding=torch.from_numpy(real),
        )


class _Sequences:
    """Examples, each read whole."""

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
        return Batch(_ids(tokens), _ids(targets), padding=_mask(real))

    listed = drawn


class _Pairs:
    """Examples of a source and a target, read apart."""

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
        what = (
            "is not a source that is read and a target that is scored" if self.cuts[wrong[0]] < 0 else "has no source"
        )
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
            _ids(tokens),
            _ids(np.where(real, self.tokens[places[:, 1:]].astype(np.int64), IGNORED)),
            padding=_mask(real),
            source=_ids(np.where(source_real, self.tokens[source_places[:, :-1]], self.end)),
            source_padding=_mask(source_real),
        )

    listed = drawn


def _check_length(split: EncodedSplit, what: str, lengths: Indices, context: int) -> None:
    if len(lengths) and lengths.max() > context:
        raise InputError(
            f"the longest {what} of the {split.name} split (number {lengths.argmax()}) takes {lengths.max()} tokens, "
            f"and the model's context is {context}; raise the context to {lengths.max()}, or use shorter examples"
        )


def _places(starts: Indices, lengths: Indices, end: int) -> tuple[Indices, npt.NDArray[np.bool_]]:
    """Indices [B, T + 1] of rows of tokens, and [B, T] whether each but the last is within its row."""
    offsets = np.arange(lengths.max() + 1)
    real = offsets[:-1] < lengths[:, None]
    return np.minimum(starts[:, None] + offsets, end - 1), real


def _ids(array: Array) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.int64))


def _mask(real: npt.NDArray[np.bool_]) -> torch.Tensor | None:
    """None if no row is padded: models are faster without."""
    return None if real.all() else torch.from_numpy(real)
