"""`Batches`: batches of token ids, cut from encoded splits.

A training batch depends on (seed, step, micro) and on nothing that happened before, so that a run resumes
where it stopped without replaying anything. The rows of a step form one endless sequence, of which
micro-batch m takes the m-th slice of `size` rows: gradients accumulated over k micro-batches are those of
a batch k times as large, and any number of workers may share a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

from partwise.errors import InputError

from .batch import Batch
from .encoded import EncodedSplit
from .marks import Marks
from .protocols import Split
from .rows import Pairs, Rows, Sequences, Windows


class Batches:
    """Batches for a model that reads `reads`, in rows of at most `context` tokens.

    A stream gives windows of `context` tokens. Examples give one row each: a "sequence" model reads the token that
    begins a text and then all pieces, one after the other; a "pair" model reads the source, and its start and then the
    target; without marks of their own, both are the end token. The target of a position is the token that follows, or
    the label that stands there and takes no position; the last target is the end token. Rows are padded on the right,
    with the end token.

    Raises:
        InputError: the data does not suit such a model: not pairs, longer than the context, or shorter
            than a window. Every given split is checked here, before anything is trained.
    """

    def __init__(
        self, encoded: Mapping[Split, EncodedSplit], reads: Literal["sequence", "pair"], context: int, end: int | Marks
    ) -> None:
        """
        Args:
            encoded: the splits that batches are asked of; not necessarily all three.
            reads: "sequence" for a language model, "pair" for an encoder with a decoder.
            context: longest row, in tokens.
            end: id of the end token, which also begins texts; or all the marks of a tokenizer.
        """
        self.encoded = dict(encoded)
        """The splits, which also turn a loss into bits per byte."""
        self.reads = reads
        self.context = context
        self.marks = Marks.plain(end) if isinstance(end, int) else end
        self._rows = {name: _rows_of(split, reads, context, self.marks) for name, split in encoded.items()}
        train = self._rows.get("train")
        if train is not None and train.draws < 1:
            raise _too_short(encoded["train"], context)

    def of_length(self, context: int) -> Batches:
        """The same texts in rows of another length.

        Raises:
            InputError: the texts do not suit that length.
        """
        return Batches(self.encoded, self.reads, context, self.marks)

    def train(self, step: int, size: int, seed: int, micro: int = 0) -> Batch:
        """The `micro`-th batch of `size` rows of training step `step`, drawn with replacement.

        Raises:
            KeyError: the training split was not given.
        """
        rows = self._rows["train"]
        # The indices of the micro-batches before it are drawn as well, at some nanoseconds each.
        drawn = np.random.default_rng((seed, step)).integers(rows.draws, size=(micro + 1) * size)
        return rows.drawn(drawn[micro * size :])

    def evaluation(self, split: Split, size: int, limit: int | None = None) -> Iterator[Batch]:
        """Batches of `size` rows (the last may have fewer) in which each token of the split is scored once.

        They are the same at every call. With a `limit`, there are at most that many batches, and their rows are
        spread evenly over the split.

        Raises:
            InputError: the split is empty.
            KeyError: the split was not given.
        """
        rows = self._rows[split]
        if not rows.count:
            raise InputError(
                f"the {split} split holds no text to evaluate on; give it a larger share of the data (data.{split}), "
                f"or files of its own where the data takes them (data.{split}_files)"
            )
        chosen = np.arange(rows.count)
        if limit is not None and limit * size < rows.count:
            chosen = np.arange(limit * size) * rows.count // (limit * size)
        return (rows.listed(chosen[start : start + size]) for start in range(0, len(chosen), size))


def _rows_of(split: EncodedSplit, reads: Literal["sequence", "pair"], context: int, marks: Marks) -> Rows:
    if split.form == "stream":
        if reads == "pair":
            raise InputError(
                "this model reads pairs of source and target, and the data is running text; "
                'use data of pairs ("dates", "reverse", "pairs" ...), or a model that reads sequences'
            )
        return Windows(split, context, marks)
    return Pairs(split, context, marks) if reads == "pair" else Sequences(split, context, marks)


def _too_short(split: EncodedSplit, context: int) -> InputError:
    if split.form == "examples":
        return InputError(f"the {split.name} split holds no examples; give it more of the data")
    return InputError(
        f"the {split.name} split holds {len(split.tokens)} tokens, fewer than a window of context + 1 = {context + 1}; "
        "give it more text, or the model a shorter context"
    )
