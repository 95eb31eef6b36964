"""`Batches`: batches of token ids, cut from encoded splits.

A training batch depends on (seed, step, micro) and on nothing that happened before, so that a run resumes
where it stopped without replaying anything. The rows of a step form one endless sequence, of which
micro-batch m takes the m-th slice of `size` rows: gradients accumulated over k micro-batches are those of
a batch k times as large, and any number of workers may share a step. Where rows are drawn once, those of all steps
form one sequence, in which each epoch has a new order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

from partwise.errors import InputError, PartError

from .batch import Batch
from .encoded import EncodedSplit, SplitFacts
from .marks import Marks
from .mixed import JoinedSplit, MixedSplit
from .mixed_rows import JoinedRows, MixedRows
from .ordering import ROUNDS, keys_of, permuted
from .packing import Packing
from .protocols import Split
from .row_layout import PLAIN, RowLayout, refuse_layout
from .rows import Indices, Pairs, Windows
from .sequences import Sequences

Rows = Windows | Sequences | Pairs | JoinedRows | MixedRows


class Batches:
    """Batches for a model that reads `reads`, in rows of at most `context` tokens.

    A stream gives windows of `context` tokens. Examples give one row each: a "sequence" model reads the token that
    begins a text and then all pieces, one after the other; a "pair" model reads the source, and its start and then the
    target; without marks of their own, both are the end token. The target of a position is the token that follows, or
    the label that stands there and takes no position; the last target is the end token. Rows are padded on the right,
    with the end token. `RowLayout` says what else there is: documents that are masked, rows drawn once, and examples
    that share a row, in training alone.

    Raises:
        InputError: the data does not suit such a model: not pairs, longer than the context, or shorter
            than a window; or it cannot be packed. Every given split is checked here, before anything is trained.
    """

    def __init__(
        self,
        encoded: Mapping[Split, SplitFacts],
        reads: Literal["sequence", "pair"],
        context: int,
        end: int | Marks,
        layout: RowLayout = PLAIN,
        per_update: int | None = None,
    ) -> None:
        """
        Args:
            encoded: the splits that batches are asked of; not necessarily all three.
            reads: "sequence" for a language model, "pair" for an encoder with a decoder.
            context: longest row, in tokens.
            end: id of the end token, which also begins texts; or all the marks of a tokenizer.
            layout: how texts are laid out in rows.
            per_update: rows that an update takes, all its micro-batches and processes together; needed to draw once.
        """
        self.encoded = dict(encoded)
        """The splits, which also turn a loss into bits per byte."""
        self.reads = reads
        self.context = context
        self.marks = Marks.plain(end) if isinstance(end, int) else end
        self.layout, self.per_update = layout, per_update
        for split in encoded.values():
            _refuse_layout(layout, split, reads)
        self._rows = {name: _rows_of(split, reads, context, self.marks, layout) for name, split in encoded.items()}
        train = self._rows.get("train")
        if train is not None and train.draws < 1:
            raise _too_short(encoded["train"], context)

    def members(self, split: Split) -> tuple[str, ...]:
        """The names of the members, if the split is that of a mixture; else there are none."""
        found = self.encoded[split]
        return tuple(found.members) if isinstance(found, MixedSplit) else ()

    def of_member(self, split: Split, name: str) -> Batches:
        """The rows of one member of a mixture, in this split alone."""
        found = self.encoded[split]
        assert isinstance(found, MixedSplit), f"the {split} split is of no mixture"
        return Batches({split: found.members[name]}, self.reads, self.context, self.marks, self.layout, self.per_update)

    def rows_in(self, split: Split) -> int:
        """How many rows cover the split with each token once."""
        return self._rows[split].count

    @property
    def tokens_per_row(self) -> float:
        """Scored tokens that a row of a training batch of running text, or of a mixture, has on average."""
        train = self._rows["train"]
        return train.tokens_per_row if isinstance(train, MixedRows) else self.context

    def epochs(self, rows: int) -> dict[str, float]:
        """How often each member of a mixture has been seen, on average, once so many rows were drawn in training."""
        train = self._rows["train"]
        return train.epochs(rows) if isinstance(train, MixedRows) else {}

    def of_length(self, context: int) -> Batches:
        """The same texts in rows of another length.

        Raises:
            InputError: the texts do not suit that length.
        """
        return Batches(self.encoded, self.reads, context, self.marks, self.layout, self.per_update)

    @property
    def packing(self) -> Packing | None:
        """Which examples of the training split share a row; None where each has one, or has none at all."""
        rows = self._rows.get("train")
        return rows.packing if isinstance(rows, Sequences) else None

    def notes(self) -> list[str]:
        """What was done to texts that do not fit, in a sentence for each split; nothing, if all do."""
        return [note for rows in self._rows.values() for note in getattr(rows, "notes", ())]

    def train(self, step: int, size: int, seed: int, micro: int = 0) -> Batch:
        """The `micro`-th batch of `size` rows of training step `step`, as the layout draws them.

        Raises:
            KeyError: the training split was not given.
            InputError: rows are drawn once, and more are asked for than an update takes.
        """
        rows = self._rows["train"]
        if self.layout.draw == "once":
            return self._once(rows, step, size, seed, micro)
        # The indices of the micro-batches before it are drawn as well, at some nanoseconds each.
        drawn = np.random.default_rng((seed, step)).integers(rows.draws, size=(micro + 1) * size)
        return rows.drawn(drawn[micro * size :])

    def _once(self, rows: Rows, step: int, size: int, seed: int, micro: int) -> Batch:
        if self.per_update is None or (micro + 1) * size > self.per_update:
            raise InputError(
                f"rows are drawn once, and this trainer takes {(micro + 1) * size} of them in an update, where it had "
                f"announced {self.per_update or 'nothing'}: rows_per_update() of its part must say how many it takes"
            )
        places = step * self.per_update + micro * size + np.arange(size)
        epochs, places = np.divmod(places, rows.epoch)
        keys = keys_of(seed, epochs, ROUNDS + 1)
        shifts: Indices = (keys[:, ROUNDS] >> np.uint64(1)).astype(np.int64)
        return rows.of_epoch(permuted(places, rows.epoch, keys[:, :ROUNDS]), shifts)

    def evaluation(self, split: Split, size: int, limit: int | None = None) -> Iterator[Batch]:
        """Batches of `size` rows (the last may have fewer) in which each token of the split is scored once.

        They are the same at every call. With a `limit`, there are at most that many batches, and their rows are
        spread evenly over the split.

        Raises:
            InputError: the split is empty.
            KeyError: the split was not given.
        """
        rows = self._rows[split]
        if isinstance(rows, MixedRows) and rows.empty:
            raise InputError(
                f"the {split} split of the member {rows.empty[0]!r} of the mixture holds no text to evaluate on; give "
                f"it a larger share of its data (data.members.{rows.empty[0]}.{split}), or files of its own"
            )
        if not rows.count:
            raise InputError(
                f"the {split} split holds no text to evaluate on; give it a larger share of the data (data.{split}), "
                f"or files of its own where the data takes them (data.{split}_files)"
            )
        chosen = np.arange(rows.count)
        if limit is not None and limit * size < rows.count:
            chosen = np.arange(limit * size) * rows.count // (limit * size)
        return (rows.listed(chosen[start : start + size]) for start in range(0, len(chosen), size))


def _refuse_layout(layout: RowLayout, split: SplitFacts, reads: Literal["sequence", "pair"]) -> None:
    """
    Raises:
        InputError: the split cannot be laid out so for a model that reads that.
    """
    try:
        refuse_layout(layout, split.form, reads, isinstance(split, MixedSplit))
    except PartError as error:  # there may be no recipe in which it has a place
        raise InputError(error.message) from None


def _rows_of(
    split: SplitFacts, reads: Literal["sequence", "pair"], context: int, marks: Marks, layout: RowLayout
) -> Rows:
    if isinstance(split, MixedSplit):
        rows = {name: _rows_of(member, reads, context, marks, layout) for name, member in split.members.items()}
        return MixedRows(split, rows, context, marks.end)
    if isinstance(split, JoinedSplit):
        return JoinedRows([_rows_of(part, reads, context, marks, layout) for part in split.parts], marks.end)
    assert isinstance(split, EncodedSplit), "every split is one of these"
    if split.form == "stream":
        return Windows(split, context, marks, layout)
    return Pairs(split, context, marks) if reads == "pair" else Sequences(split, context, marks, layout)


def _too_short(split: SplitFacts, context: int) -> InputError:
    if split.form == "examples":
        return InputError(f"the {split.name} split holds no examples; give it more of the data")
    count = len(split.tokens) if isinstance(split, EncodedSplit) else split.scored_tokens
    return InputError(
        f"the {split.name} split holds {count} tokens, fewer than a window of context + 1 = {context + 1}; "
        "give it more text, or the model a shorter context"
    )
