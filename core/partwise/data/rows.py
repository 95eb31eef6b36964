"""The rows of a split, for each kind of data and model: windows of running text, sequences, and pairs.

`draws` is how many rows training may draw from, and `drawn` makes a batch of them; `count` is how many rows cover the
split with each token once, and `listed` makes a batch of these.

Shapes: B rows, T positions (of the longest example).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.stride_tricks import sliding_window_view

from partwise.errors import InputError

from .batch import IGNORED, Batch
from .encoded import Array, EncodedSplit
from .marks import Marks

Indices = npt.NDArray[np.int64]


class Windows:
    """Running text: training draws windows of `context` tokens at any offset; evaluation takes them side by side."""

    def __init__(self, split: EncodedSplit, context: int, marks: Marks) -> None:
        self.tokens = np.asarray(split.tokens)
        self.context = context
        self.marks = marks
        self.draws = max(len(self.tokens) - context, 0)
        self.count = -(-(len(self.tokens) - 1) // context)
        # A view of all windows costs nothing: picking rows of it copies only those.
        self.windows = sliding_window_view(self.tokens, context + 1) if self.draws else None

    def drawn(self, indices: Indices) -> Batch:
        assert self.windows is not None, "nothing is drawn from a split without windows"
        picked = self.windows[indices]
        return Batch(self._read(picked[:, :-1]), _ids(picked[:, 1:]))

    def listed(self, indices: Indices) -> Batch:
        starts = indices * self.context
        if starts[-1] < self.draws:
            return self.drawn(starts)
        places = starts[:, None] + np.arange(self.context + 1)
        picked = self.tokens.take(places, mode="clip").astype(np.int64)
        real = places[:, 1:] < len(self.tokens)  # the positions that have a target
        return Batch(
            self._read(np.where(real, picked[:, :-1], self.marks.end)),
            _ids(np.where(real, picked[:, 1:], IGNORED)),
            padding=torch.from_numpy(real),
        )

    def _read(self, tokens: Array) -> torch.Tensor:
        """What the model reads: the end token that closed one text stands for what begins the next."""
        end, begin = self.marks.end, self.marks.begin
        return _ids(tokens if begin == end else np.where(tokens == end, begin, tokens.astype(np.int64)))


class Sequences:
    """Examples, each read whole but for labels: what begins a text, then all pieces one after the other."""

    def __init__(self, split: EncodedSplit, context: int, marks: Marks) -> None:
        assert split.bounds is not None and split.scored is not None, "examples have both"  # noqa: PT018
        self.tokens, self.scored, bounds = (np.asarray(array) for array in (split.tokens, split.scored, split.bounds))
        self.marks = marks
        self.starts, self.lengths = bounds[:-1], np.diff(bounds)
        self.draws = self.count = len(self.lengths)
        self.is_label: npt.NDArray[np.bool_] | None = None
        read = self.lengths
        if split.labels is not None and len(split.labels):
            self.is_label = np.zeros(len(self.tokens), np.bool_)
            self.is_label[split.labels] = True
            read = read - np.diff(np.searchsorted(split.labels, bounds))
        _check_length(split, "example", read, context)

    def drawn(self, indices: Indices) -> Batch:
        places, real = _places(self.starts[indices], self.lengths[indices], len(self.tokens))
        following = places[:, 1:]
        targets = np.where(real & self.scored[following], self.tokens[following].astype(np.int64), IGNORED)
        tokens = np.where(real, self.tokens[places[:, :-1]], self.marks.end).astype(np.int64)
        tokens[:, 0] = self.marks.begin  # where the end token of the example before stands
        if self.is_label is not None:
            tokens, targets, real = self._without_labels(tokens, targets, real & ~self.is_label[places[:, :-1]])
        return Batch(_ids(tokens), _ids(targets), padding=_padding(real))

    def _without_labels(
        self, tokens: Indices, targets: Indices, read: npt.NDArray[np.bool_]
    ) -> tuple[Indices, Indices, npt.NDArray[np.bool_]]:
        """What of the rows is `read` [B, T], moved together; its targets stay with it."""
        order = np.argsort(~read, axis=1, kind="stable")[:, : read.sum(1).max()]
        real = np.take_along_axis(read, order, 1)
        tokens = np.where(real, np.take_along_axis(tokens, order, 1), self.marks.end)
        return tokens, np.where(real, np.take_along_axis(targets, order, 1), IGNORED), real

    listed = drawn


class Pairs:
    """Examples of a source, for an encoder, and a target, which a decoder reads after its start."""

    def __init__(self, split: EncodedSplit, context: int, marks: Marks) -> None:
        assert split.bounds is not None and split.cuts is not None, "examples have both"  # noqa: PT018
        self.tokens, self.cuts, bounds = (np.asarray(array) for array in (split.tokens, split.cuts, split.bounds))
        self.marks = marks
        self.starts = bounds[:-1] + 1
        self.draws = self.count = len(self.cuts)
        self._check_pairs(split)
        self.source_lengths, self.target_lengths = self.cuts - self.starts, bounds[1:] + 1 - self.cuts
        around = len(marks.before_source) + len(marks.after_source)
        _check_length(split, "source", self.source_lengths + around, context)
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
        places, real = _places(cuts - 1, self.target_lengths[indices], len(self.tokens))
        tokens = np.where(real, self.tokens[places[:, :-1]], self.marks.end).astype(np.int64)
        tokens[:, 0] = self.marks.start  # where the last token of the source stands
        source, source_real = self._sources(indices)
        return Batch(
            _ids(tokens),
            _ids(np.where(real, self.tokens[places[:, 1:]].astype(np.int64), IGNORED)),
            padding=_padding(real),
            source=_ids(source),
            source_padding=_padding(source_real),
        )

    def _sources(self, indices: Indices) -> tuple[Indices, npt.NDArray[np.bool_]]:
        """[B, M], padded on the right, and [B, M] what of it is real: sources between their marks."""
        lengths, marks = self.source_lengths[indices], self.marks
        places, inside = _places(self.starts[indices], lengths, len(self.tokens))
        source = np.where(inside, self.tokens[places[:, :-1]], marks.end).astype(np.int64)
        before, after = len(marks.before_source), len(marks.after_source)
        if before or after:
            source = np.pad(source, ((0, 0), (before, after)), constant_values=marks.end)
            source[:, :before] = marks.before_source
            columns = before + lengths[:, None] + np.arange(after)
            np.put_along_axis(source, columns, np.broadcast_to(marks.after_source, columns.shape), 1)
        return source, np.arange(source.shape[1]) < before + lengths[:, None] + after

    listed = drawn


Rows = Windows | Sequences | Pairs


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


def _ids(array: Array) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.int64))
