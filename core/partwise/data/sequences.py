"""The rows of examples that a model reads as sequences: one in a row, or as many as fit.

Shapes: B rows, T positions (of the longest row), N tokens of all rows, one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from .batch import IGNORED, Batch
from .encoded import EncodedSplit
from .marks import Marks
from .packing import Packing, best_fit
from .row_layout import PLAIN, RowLayout
from .rows import Indices, as_padding, check_length, ids


@dataclass(frozen=True)
class _Read:
    """Examples as they are read, one after the other."""

    tokens: Indices
    """[N]."""
    targets: Indices
    """[N]."""
    lengths: Indices
    """[examples], tokens of each."""


class Sequences:
    """Examples, each read whole but for labels: what begins a text, then all pieces one after the other.

    Training draws rows of as many examples as `packing` puts there, each marked as a document of its own; evaluation
    takes them one by one.
    """

    def __init__(self, split: EncodedSplit, context: int, marks: Marks, layout: RowLayout = PLAIN) -> None:
        assert split.bounds is not None and split.scored is not None, "examples have both"  # noqa: PT018
        self.tokens, self.scored, bounds = (np.asarray(array) for array in (split.tokens, split.scored, split.bounds))
        self.marks = marks
        self.starts, self.lengths = bounds[:-1], np.diff(bounds)
        self.count = len(self.lengths)
        self.is_label: npt.NDArray[np.bool_] | None = None
        read = self.lengths
        if split.labels is not None and len(split.labels):
            self.is_label = np.zeros(len(self.tokens), np.bool_)
            self.is_label[split.labels] = True
            read = read - np.diff(np.searchsorted(split.labels, bounds))
        self.notes: list[str] = []
        if split.may_be_cut and self.is_label is None:
            read = self._cut(split, context)
        check_length(split, "example", read, context)
        packs = layout.packing is not None and split.name == "train"
        self.packing: Packing | None = best_fit(read, context) if packs else None
        self.draws = self.epoch = self.count if self.packing is None else self.packing.rows

    def _cut(self, split: EncodedSplit, context: int) -> Indices:
        """Takes the ends off examples that are too long, and leaves out those that have no target then; the lengths."""
        long = np.flatnonzero(self.lengths > context)
        if not len(long):
            return self.lengths
        empty = [row for row in long if not self.scored[self.starts[row] + 1 :][:context].any()]
        told = (
            f"{len(long):,} of the {self.count:,} examples of the {split.name} split are longer than {context} tokens"
        )
        self.notes.append(f"{told}, and lose their ends; {len(empty):,} have nothing to learn then, and are left out")
        self.starts = np.delete(self.starts, empty)
        self.lengths = np.minimum(np.delete(self.lengths, empty), context)
        self.count = len(self.lengths)
        return self.lengths

    def drawn(self, indices: Indices) -> Batch:
        if self.packing is None:
            return self.listed(indices)
        bounds = self.packing.bounds
        sizes = (bounds[1:] - bounds[:-1])[indices]
        return self._laid_out(self.packing.members[_ranges(bounds[indices], sizes)], sizes)

    def of_epoch(self, indices: Indices, shifts: Indices) -> Batch:
        return self.drawn(indices)

    def listed(self, indices: Indices) -> Batch:
        return self._laid_out(indices, None)

    def _laid_out(self, members: Indices, sizes: Indices | None) -> Batch:
        """Examples in rows of so many; None: one in a row, which then needs no numbers of documents."""
        read = self._read(members)
        first = np.arange(len(members)) if sizes is None else sizes.cumsum() - sizes
        lengths = np.add.reduceat(read.lengths, first)
        real = np.arange(lengths.max()) < lengths[:, None]
        tokens, targets = np.full(real.shape, self.marks.end, np.int64), np.full(real.shape, IGNORED, np.int64)
        tokens[real], targets[real] = read.tokens, read.targets
        batch = Batch(ids(tokens), ids(targets), padding=as_padding(real))
        if sizes is None:
            return batch
        begins = np.zeros(real.shape, np.int64)
        flat = np.zeros(len(read.tokens), np.int64)
        flat[read.lengths.cumsum() - read.lengths] = 1
        begins[real] = flat
        # What pads a row counts as its last document, behind whose tokens it stands.
        return Batch(batch.tokens, batch.targets, batch.padding, documents=torch.from_numpy(begins.cumsum(1)))

    def _read(self, members: Indices) -> _Read:
        lengths = self.lengths[members]
        places = _ranges(self.starts[members], lengths)
        targets = np.where(self.scored[places + 1], self.tokens[places + 1].astype(np.int64), IGNORED)
        tokens = self.tokens[places].astype(np.int64)
        first = lengths.cumsum() - lengths
        tokens[first] = self.marks.begin  # where the end token of the example before stands
        if self.is_label is None:
            return _Read(tokens, targets, lengths)
        kept = ~self.is_label[places]  # targets stay with what is read
        return _Read(tokens[kept], targets[kept], np.add.reduceat(kept, first, dtype=np.int64))


def _ranges(starts: Indices, lengths: Indices) -> Indices:
    """[N]: the numbers from each start on, so many, one range after the other."""
    before = lengths.cumsum() - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())
