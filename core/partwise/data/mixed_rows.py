"""Rows of several sources, in one sequence that is drawn from and listed like the rows of one.

A row that is drawn is addressed by one whole number, as in any split: it says which source, and which row of it. So
what a step trains on depends on (seed, step, micro) alone.

Shapes: B rows, T positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from partwise.errors import InputError

from .batch import IGNORED, Batch
from .encoded import SplitFacts
from .mixed import MixedSplit

Indices = npt.NDArray[np.int64]
PLACES = 2**53
"""Numbers that a row of a mixture is drawn from: as many as doubles tell apart, so that every row is equally likely up
to rounding, whatever the weight and the size of its member."""


class Source(Protocol):
    """Rows, as in rows.py."""

    draws: int
    epoch: int
    count: int

    def of_epoch(self, indices: Indices, shifts: Indices) -> Batch: ...

    def drawn(self, indices: Indices) -> Batch: ...

    def listed(self, indices: Indices) -> Batch: ...


class JoinedRows:
    """The rows of several sources, one after the other; each is as likely to be drawn as any other."""

    def __init__(self, sources: Sequence[Source], end: int) -> None:
        self.sources = list(sources)
        self.end = end
        self._first_draw = np.cumsum([0, *(source.draws for source in sources)])
        self._first_row = np.cumsum([0, *(source.count for source in sources)])
        self._first_of_epoch = np.cumsum([0, *(source.epoch for source in sources)])
        self.epoch = int(self._first_of_epoch[-1])
        self.draws, self.count = int(self._first_draw[-1]), int(self._first_row[-1])

    def drawn(self, indices: Indices) -> Batch:
        which = np.searchsorted(self._first_draw, indices, side="right") - 1
        return self._of([source.drawn for source in self.sources], which, indices - self._first_draw[which])

    def of_epoch(self, indices: Indices, shifts: Indices) -> Batch:
        which = np.searchsorted(self._first_of_epoch, indices, side="right") - 1
        rows = indices - self._first_of_epoch[which]

        def made_by(source: Source) -> Callable[[Indices], Batch]:
            return lambda places: source.of_epoch(rows[places], shifts[places])

        return self._of([made_by(source) for source in self.sources], which, np.arange(len(indices)))

    def listed(self, indices: Indices) -> Batch:
        which = np.searchsorted(self._first_row, indices, side="right") - 1
        return self._of([source.listed for source in self.sources], which, indices - self._first_row[which])

    def _of(self, make: Sequence[Callable[[Indices], Batch]], which: Indices, rows: Indices) -> Batch:
        """The rows in the order asked for, each made by the source that `which` names."""
        groups = [np.flatnonzero(which == source) for source in np.unique(which)]
        batches = [make[int(which[group[0]])](rows[group]) for group in groups]
        return batches[0] if len(groups) == 1 else joined(batches, np.argsort(np.concatenate(groups)), self.end)


class MixedRows(JoinedRows):
    """The rows of the members of a mixture, drawn so that each has its share of the scored tokens."""

    def __init__(self, split: MixedSplit, rows: Mapping[str, Source], context: int, end: int) -> None:
        """
        Raises:
            InputError: a member that is to be trained on has no row.
        """
        super().__init__(list(rows.values()), end)
        self.names = list(rows)
        self.split = split
        self.empty = [name for name, source in rows.items() if not source.count]
        """Members without anything to evaluate on."""
        if split.name == "train":
            self._refuse_untrainable(rows, context)
        means = [_tokens_per_row(split.members[name], source, context) for name, source in rows.items()]
        chances = np.array(
            [split.weights[name] / mean if mean else 0.0 for name, mean in zip(rows, means, strict=True)]
        )
        self.chances = chances / (chances.sum() or 1.0)
        """How likely a row is of each member: rows with fewer tokens are drawn more often."""
        self.tokens_per_row = float(self.chances @ np.array(means))
        self._borders = np.round(np.cumsum([0.0, *self.chances]) * PLACES)
        self._borders[-1] = PLACES
        self.draws = PLACES if self.chances.any() else 0

    def _refuse_untrainable(self, rows: Mapping[str, Source], context: int) -> None:
        for name, source in rows.items():
            if self.split.weights[name] and source.draws < 1:
                what = (
                    "holds no examples"
                    if self.split.form == "examples"
                    else f"is shorter than a window of context + 1 = {context + 1} tokens"
                )
                raise InputError(
                    f"the train split of the member {name!r} {what}; give it more text, or the weight 0, with which it "
                    "is evaluated only"
                )

    def drawn(self, indices: Indices) -> Batch:
        which = np.searchsorted(self._borders, indices, side="right") - 1
        first, width = self._borders[which], np.diff(self._borders)[which]
        sizes = np.array([source.draws for source in self.sources])[which]
        rows = ((indices - first) / width * sizes).astype(np.int64)
        return self._of([source.drawn for source in self.sources], which, np.minimum(rows, sizes - 1))

    def epochs(self, rows: int) -> dict[str, float]:
        """How often each member has been seen, on average, once so many rows are drawn."""
        tokens = rows * self.tokens_per_row
        sizes = {name: max(1, part.scored_tokens) for name, part in self.split.members.items()}
        return {name: tokens * self.split.weights[name] / sizes[name] for name in self.names}


def _tokens_per_row(split: SplitFacts, rows: Source, context: int) -> float:
    """Scored tokens that a row which is drawn has on average."""
    return context if split.form == "stream" else split.scored_tokens / max(1, rows.draws)


def joined(batches: Sequence[Batch], order: Indices, end: int) -> Batch:
    """Rows of several batches as one, padded on the right to the longest, in this order."""
    picked = torch.from_numpy(order)
    fill = {"tokens": end, "source": end, "targets": IGNORED}
    found: dict[str, Tensor] = {}
    for field in fields(Batch):
        columns = [getattr(batch, field.name) for batch in batches]
        like = "source" if field.name.startswith("source") else "tokens"
        whole = [getattr(batch, like) for batch in batches]
        if field.name.endswith("padding") and (_uneven(whole) or any(one is not None for one in columns)):
            columns = [
                torch.ones_like(of, dtype=torch.bool) if one is None else one
                for one, of in zip(columns, whole, strict=True)
                if of is not None
            ]
        if columns and all(one is not None for one in columns):
            longest = max(one.shape[1] for one in columns)
            rows = [pad(one, (0, longest - one.shape[1]), value=fill.get(field.name, 0)) for one in columns]
            found[field.name] = torch.cat(rows)[picked]
    return Batch(**found)


def _uneven(columns: Sequence[Tensor | None]) -> bool:
    return len({one.shape[1] for one in columns if one is not None}) > 1


__all__ = ["JoinedRows", "MixedRows", "joined"]
