"""What a recipe's data holds, once it is read and encoded: figures of each split, lengths, and samples."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from partwise.data.encoded import EncodedSplit, SplitFacts
from partwise.data.marks import marks_of
from partwise.data.mixed import JoinedSplit, MixedSplit, members_of
from partwise.data.protocols import Data, Piece, Split, Tokenizer
from partwise.data.survey import Survey
from partwise.data.survey import survey as survey_of
from partwise.errors import InputError
from partwise.recipe import LoadedRecipe

from .mixtures import MemberPlan, mixture_plan
from .preparation import SPLITS, Prepared, Say, batches_of, data_of, encoded_splits, tokenizer_of

AT_ONCE = 1 << 22
"""Tokens that are looked at together."""
MOST_SHOWN = 400
"""Tokens of a sample that are decoded."""
LONG = 1 << 20
"""Tokens from which on a text is so long that there are few of them."""
Ids = npt.NDArray[Any]


@dataclass(frozen=True)
class Lengths:
    """How long some texts are, in tokens."""

    longest: int
    mean: float
    median: int
    beyond_context: int
    """How many are longer than what the model sees at once."""


@dataclass(frozen=True)
class TextSample:
    """A text of a split, as the model reads it."""

    number: int
    """Which text of the split it is, from 0."""
    tokens: int
    pieces: tuple[Piece, ...]
    """What it begins with: segments that are only read, and segments that are scored."""
    whole: bool
    """Whether this is all of it."""


@dataclass(frozen=True)
class SplitReport:
    """What a split holds."""

    survey: Survey
    tokens: int
    """Tokens of all texts, with the one that ends each."""
    scored: int
    """Tokens that are targets, which may be fewer."""
    unknown: int
    """Targets that are the unknown token."""
    lengths: dict[str, Lengths]
    """Of documents, of examples, or of sources and targets: as the model reads them, marks included."""
    samples: tuple[TextSample, ...]


@dataclass(frozen=True)
class DataReport:
    """What a recipe's data holds."""

    form: Literal["stream", "examples"]
    context: int
    """Most tokens that the model sees at once."""
    vocabulary: int
    splits: dict[Split, SplitReport] = field(default_factory=dict)
    problem: str | None = None
    """Why the model cannot be trained on it; None if it can."""
    members: dict[str, dict[Split, SplitReport]] = field(default_factory=dict)
    """Of a mixture, what each member holds, in place of `splits`."""
    mixture: list[MemberPlan] = field(default_factory=list)
    """How the model is trained on the members, if it can be."""


def survey(
    loaded: LoadedRecipe, splits: Sequence[Split] = SPLITS, samples: int = 0, say: Say = lambda line: None
) -> DataReport:
    """Reads and encodes splits of the recipe's data, or finds them in the cache, and says what they hold.

    Args:
        samples: most texts of each split that are shown, spread evenly over it.
        say: called with a line before anything that takes a while.

    Raises:
        InputError: the data, or a part that reads it, is not as it must be.
    """
    model = loaded.recipe.model
    say("reading the texts")
    data = data_of(loaded)
    tokenizer = tokenizer_of(loaded, data, say)
    members = members_of(data)
    found, encoded = DataReport(data.form, model.context, tokenizer.vocab_size), dict[Split, SplitFacts]()
    for split in splits:
        encoded |= encoded_splits(loaded, data, tokenizer, [split], say)
        whole = encoded[split]
        if isinstance(whole, MixedSplit):
            for name, part in whole.members.items():
                report = _report(part, members[name].data, tokenizer, model, samples)
                found.members.setdefault(name, {})[split] = report
        else:
            found.splits[split] = _report(whole, data, tokenizer, model, samples)
    try:
        batches = batches_of(loaded, encoded, tokenizer)
    except InputError as error:
        return replace(found, problem=str(error))
    plan = mixture_plan(Prepared(loaded, data, tokenizer, batches)) if "train" in encoded else []
    return replace(found, mixture=plan)


def _report(split: SplitFacts, data: Data, tokenizer: Tokenizer, model: Any, samples: int) -> SplitReport:
    lengths = {"document": _Histogram()} if split.form == "stream" else {}
    parts = split.parts if isinstance(split, JoinedSplit) else (split,)
    encoded = [part for part in parts if isinstance(part, EncodedSplit)]
    counts = []
    for part in encoded:
        counts.append(0)
        for starts, stops in _texts(part, tokenizer.end):
            counts[-1] += len(starts)
            for name, some in _read_lengths(part, starts, stops, tokenizer, model.reads).items():
                lengths.setdefault(name, _Histogram()).add(some, model.context)
    # Of several files of ids, samples come from the first.
    shown = _samples(encoded[0], tokenizer, _spread(counts[0], samples))
    return SplitReport(
        survey=_of_ids(split, sum(counts)) if hasattr(data, "ids") else survey_of(data, split.name),
        tokens=sum(len(part.tokens) - 1 for part in encoded),
        scored=split.scored_tokens,
        unknown=split.unknowns,
        lengths={name: one.lengths() for name, one in lengths.items()},
        samples=tuple(shown),
    )


def _of_ids(split: SplitFacts, texts: int) -> Survey:
    """Figures of token ids that others have made, in which documents are what an end token ends."""
    return Survey(texts, split.text_bytes, 0, 0)


def _texts(split: EncodedSplit, end: int) -> Iterator[tuple[Ids, Ids]]:
    """Where texts begin and end in the tokens, the end tokens around them left out; many at a time."""
    last = 0
    if split.bounds is not None:
        for first in range(0, len(split.bounds) - 1, AT_ONCE):
            bounds = np.asarray(split.bounds[first : first + AT_ONCE + 1])
            yield bounds[:-1] + 1, bounds[1:]
        return
    for first in range(1, len(split.tokens), AT_ONCE):
        ends = first + np.flatnonzero(split.tokens[first : first + AT_ONCE] == end)
        _forget(split.tokens)
        if len(ends):
            yield np.concatenate([[last], ends[:-1]]) + 1, ends
            last = int(ends[-1])


def _forget(array: Ids) -> None:
    """Gives back the memory of what was read of a file by memory map."""
    mapped = getattr(array, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _read_lengths(split: EncodedSplit, starts: Ids, stops: Ids, tokenizer: Tokenizer, reads: str) -> dict[str, Ids]:
    """Tokens that a model reads of each text."""
    if split.form == "stream":
        return {"document": stops - starts}
    if reads == "pair" and split.cuts is not None and split.bounds is not None:
        first = int(np.searchsorted(split.bounds, starts[0] - 1))
        cuts = np.asarray(split.cuts[first : first + len(starts)])
        if (cuts >= starts).all():
            marks = marks_of(tokenizer)
            around = len(marks.before_source) + len(marks.after_source)
            return {"source": cuts - starts + around, "target": stops - cuts + 1}
    labels = 0 if split.labels is None else np.diff(np.searchsorted(split.labels, np.append(starts[:1], stops)))
    return {"example": stops - starts + 1 - labels}


class _Histogram:
    """How often each length occurs; takes the same memory however many there are."""

    def __init__(self) -> None:
        self._counts = np.zeros(LONG, np.int64)
        self._long: list[int] = []
        self._sum = self._beyond = 0

    def add(self, lengths: Ids, context: int) -> None:
        self._counts += np.bincount(lengths[lengths < LONG], minlength=LONG)
        self._long += lengths[lengths >= LONG].tolist()
        self._sum += int(lengths.sum())
        self._beyond += int((lengths > context).sum())

    def lengths(self) -> Lengths:
        short = int(self._counts.sum())
        count = short + len(self._long)
        if not count:
            return Lengths(0, 0.0, 0, 0)
        longest = max(self._long) if self._long else int(np.flatnonzero(self._counts)[-1])
        return Lengths(longest, self._sum / count, self._ordered((count + 1) // 2, short), self._beyond)

    def _ordered(self, number: int, short: int) -> int:
        """The length that is this one in order, from 1, where so many are short."""
        if number > short:
            return sorted(self._long)[number - short - 1]
        return int(np.searchsorted(np.cumsum(self._counts), number))


def _spread(count: int, wanted: int) -> list[int]:
    """Numbers of texts, spread evenly over `count`."""
    wanted = min(wanted, count)
    return [number * count // wanted for number in range(wanted)]


def _samples(split: EncodedSplit, tokenizer: Tokenizer, numbers: Sequence[int]) -> Iterator[TextSample]:
    wanted, seen = list(numbers), 0
    if not wanted:
        return
    for starts, stops in _texts(split, tokenizer.end):
        while wanted and wanted[0] < seen + len(starts):
            number = wanted.pop(0)
            start, stop = int(starts[number - seen]), int(stops[number - seen])
            shown = min(stop, start + MOST_SHOWN)
            pieces = tuple(_pieces(split, start, shown, tokenizer))
            yield TextSample(number, stop - start, pieces, shown == stop)
        seen += len(starts)
        if not wanted:
            return


def _pieces(split: EncodedSplit, start: int, stop: int, tokenizer: Tokenizer) -> Iterator[Piece]:
    """The segments of a text that are scored, and those between them. Labels are not told apart."""
    scored = np.ones(stop - start, np.bool_) if split.scored is None else np.asarray(split.scored[start:stop])
    edges = [0, *(np.flatnonzero(scored[1:] != scored[:-1]) + 1).tolist(), stop - start]
    for first, last in pairwise(edges):
        if first < last:
            ids = split.tokens[start + first : start + last].tolist()
            yield Piece("".join(_readable(tokenizer, ids)), bool(scored[first]))


def _readable(tokenizer: Tokenizer, ids: list[int]) -> Iterator[str]:
    """The text of ids, with the names of special tokens."""
    for special, run in groupby(ids, lambda token: not tokenizer.token_bytes(token)):
        tokens = list(run)
        yield "".join(map(tokenizer.label, tokens)) if special else tokenizer.decode(tokens)
