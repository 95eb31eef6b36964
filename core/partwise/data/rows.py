"""The rows of a split: windows of running text, and pairs. (`sequences.py` has those of examples for one model.)

`draws` is how many rows training may draw from, and `drawn` makes a batch of them; `epoch` is how many rows have each
token once, all but the rest that fills no row, and `of_epoch` makes a batch of these; `count` is how many rows cover
the split with each token once, and `listed` makes a batch of those.

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
from .row_layout import PLAIN, RowLayout

Indices = npt.NDArray[np.int64]


class Windows:
    """Running text: training draws windows of `context` tokens at any offset; evaluation takes them side by side.

    Where documents are masked, each token has the number of its document within the window. A token that ends a text
    is read as the one that begins the next, so it belongs to that; it is predicted from the text that it ends. What
    stands of a document in a window, be it the whole or a piece, is read by itself.
    """

    def __init__(self, split: EncodedSplit, context: int, marks: Marks, layout: RowLayout = PLAIN) -> None:
        self.tokens = np.asarray(split.tokens)
        self.context = context
        self.marks = marks
        self.masked = layout.documents == "masked"
        targets = len(self.tokens) - 1
        self.draws = max(targets + 1 - context, 0)
        self.count = -(-targets // context)
        self.epoch, self.rest = divmod(targets, context)
        # A view of all windows costs nothing: picking rows of it copies only those.
        self.windows = sliding_window_view(self.tokens, context + 1) if self.draws else None

    def drawn(self, indices: Indices) -> Batch:
        assert self.windows is not None, "nothing is drawn from a split without windows"
        picked = self.windows[indices]
        read = picked[:, :-1]
        return Batch(self._read(read), ids(picked[:, 1:]), documents=self._documents(read == self.marks.end))

    def of_epoch(self, indices: Indices, shifts: Indices) -> Batch:
        """Windows side by side, the first of which begins `shifts` tokens into the text, modulo what is left over."""
        return self.drawn(indices * self.context + shifts % (self.rest + 1))

    def listed(self, indices: Indices) -> Batch:
        starts = indices * self.context
        if starts[-1] < self.draws:
            return self.drawn(starts)
        places = starts[:, None] + np.arange(self.context + 1)
        picked = self.tokens.take(places, mode="clip").astype(np.int64)
        real = places[:, 1:] < len(self.tokens)  # the positions that have a target
        return Batch(
            self._read(np.where(real, picked[:, :-1], self.marks.end)),
            ids(np.where(real, picked[:, 1:], IGNORED)),
            padding=torch.from_numpy(real),
            documents=self._documents((picked[:, :-1] == self.marks.end) & real),
        )

    def _read(self, tokens: Array) -> torch.Tensor:
        """What the model reads: the end token that closed one text stands for what begins the next."""
        end, begin = self.marks.end, self.marks.begin
        return ids(tokens if begin == end else np.where(tokens == end, begin, tokens.astype(np.int64)))

    def _documents(self, begins: npt.NDArray[np.bool_]) -> torch.Tensor | None:
        """[B, T], numbered from where documents begin; None if no row has two, because models are faster without."""
        if not self.masked or not begins[:, 1:].any():
            return None
        return torch.from_numpy(begins.cumsum(1))


class Pairs:
    """Examples of a source, for an encoder, and a target, which a decoder reads after its start."""

    def __init__(self, split: EncodedSplit, context: int, marks: Marks) -> None:
        assert split.bounds is not None and split.cuts is not None, "examples have both"  # noqa: PT018
        self.tokens, self.cuts, bounds = (np.asarray(array) for array in (split.tokens, split.cuts, split.bounds))
        self.marks = marks
        self.starts = bounds[:-1] + 1
        self.draws = self.count = self.epoch = len(self.cuts)
        self._check_pairs(split)
        self.source_lengths, self.target_lengths = self.cuts - self.starts, bounds[1:] + 1 - self.cuts
        around = len(marks.before_source) + len(marks.after_source)
        check_length(split, "source", self.source_lengths + around, context)
        check_length(split, "target", self.target_lengths, context)

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
            ids(tokens),
            ids(np.where(real, self.tokens[places[:, 1:]].astype(np.int64), IGNORED)),
            padding=as_padding(real),
            source=ids(source),
            source_padding=as_padding(source_real),
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

    def of_epoch(self, indices: Indices, shifts: Indices) -> Batch:
        return self.drawn(indices)

    listed = drawn


def check_length(split: EncodedSplit, what: str, lengths: Indices, context: int) -> None:
    if len(lengths) and lengths.max() > context:
        cut = '; data "chat" can cut them: "too_long": "cut"' if what == "example" else ""
        raise InputError(
            f"the longest {what} of the {split.name} split (number {lengths.argmax() + 1} of {len(lengths)}) takes "
            f"{lengths.max()} tokens, and the model's context is {context}; raise the context to {lengths.max()}, or "
            f"use shorter examples{cut}"
        )


def _places(starts: Indices, lengths: Indices, end: int) -> tuple[Indices, npt.NDArray[np.bool_]]:
    """Indices [B, T + 1] of each row's tokens, and [B, T] whether each but the last lies within its row."""
    offsets = np.arange(lengths.max() + 1)
    real = offsets[:-1] < lengths[:, None]
    return np.minimum(starts[:, None] + offsets, end - 1), real


def as_padding(real: npt.NDArray[np.bool_]) -> torch.Tensor | None:
    """The padding of a batch; None if no row is padded, because models are faster without."""
    return None if real.all() else torch.from_numpy(real)


def ids(array: Array) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.int64))
