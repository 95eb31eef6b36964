"""A chunk of texts as arrays: all that can be done with texts in any order, by any thread or process.

The layout is the same for running text and for examples: all texts one after the other, an end token after each. So
the end token that closes one text opens the next, the row of an example is contiguous, and every token but the very
first of a split is the target of exactly one position: of a label, the position before it, and of what follows a
label, none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from partwise.errors import InputError, PartError

from .chunks import Chunk
from .encoded import Array
from .marks import marks_of
from .named import special_ids, without_names
from .protocols import Form, Tokenizer
from .specials import id_of
from .text_facts import TextFacts, facts_of


@dataclass(frozen=True)
class EncodedChunk:
    """A chunk as it is appended to the files of an entry."""

    arrays: dict[str, Array]
    """By file; positions in `bounds`, `cuts` and `labels` count from the first token of the chunk."""
    facts: TextFacts
    framed: bytes
    """What the chunk adds to the hash of the texts."""


def array_types(tokenizer: Tokenizer, form: Form) -> dict[str, str]:
    """The files of an entry, and the type of the numbers in each; `EncodedSplit` says what they hold."""
    types = {"tokens": "<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4"}
    if form == "examples":
        types |= {"scored": "|b1", "bounds": "<i8", "cuts": "<i8", "labels": "<i8"}
    return types


def encode_chunk(tokenizer: Tokenizer, chunk: Chunk, try_loss: bool) -> EncodedChunk:
    """
    Args:
        try_loss: whether to try if the texts come back.

    Raises:
        InputError: a label is not one token, or something scored follows it; or the tokenizer is at fault.
    """
    ids, lengths = _encoded(tokenizer, chunk)
    if not all(chunk.read):
        _check_labels(chunk, lengths)
    ends, flags = np.array(chunk.ends, bool), np.array(chunk.scored, bool) & np.array(chunk.read, bool)
    stops = (lengths + ends).cumsum()
    places = stops[ends] - 1  # of the end tokens
    tokens = np.empty(int(stops[-1]), array_types(tokenizer, chunk.form)["tokens"])
    inside = np.ones(len(tokens), bool)
    inside[places] = False
    tokens[inside], tokens[places] = ids, tokenizer.end
    arrays: dict[str, Array] = {"tokens": tokens}
    if chunk.form == "examples":
        scored = np.empty(len(tokens), bool)
        scored[inside], scored[places] = np.repeat(np.array(chunk.scored, bool), lengths), flags[ends]
        starts = stops - lengths - ends
        labels = starts[~np.array(chunk.read, bool)]
        arrays |= {"scored": scored, "bounds": places, "cuts": _cuts(ends, flags, starts), "labels": labels}
    raws = chunk.raws()
    spelled = _spelled(tokenizer, chunk, raws)
    facts = facts_of(chunk, spelled, ids, lengths, int(flags[ends].sum()), tokenizer, try_loss)
    return EncodedChunk(arrays, facts, chunk.framed(raws))


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Array, Array]:
    """The ids of all texts, one after the other, and the number of ids of each; of a tokenizer without `encode_array`,
    too.

    Raises:
        PartError: there is an id that is not below the tokenizer's vocabulary, or the numbers do not add up.
    """
    ids: Array
    lengths: Array
    encode_array = getattr(tokenizer, "encode_array", None)
    if encode_array is not None:
        ids, lengths = encode_array(texts)
    else:
        lists = [tokenizer.encode(text) for text in texts]
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        ids = np.fromiter(chain.from_iterable(lists), np.int64, int(lengths.sum()))
    if len(lengths) != len(texts) or int(lengths.sum()) != len(ids):
        raise PartError(f"the tokenizer's encode_array gives {len(ids)} ids in {len(lengths)} texts of {len(texts)}")
    if len(ids) and not (ids.min() >= 0 and ids.max() < tokenizer.vocab_size):
        raise PartError(f"the tokenizer gives the id {ids.max()}, and has a vocabulary of {tokenizer.vocab_size}")
    return ids, lengths


def _encoded(tokenizer: Tokenizer, chunk: Chunk) -> tuple[Array, Array]:
    """The ids of all pieces, one after the other, and the number of ids of each: one of a special token."""
    if any(chunk.named):
        return _with_names(tokenizer, chunk)
    if not any(chunk.special):
        return encode_texts(tokenizer, chunk.texts)
    pairs = list(zip(chunk.texts, chunk.special, strict=True))
    ids, lengths = encode_texts(tokenizer, ["" if special else text for text, special in pairs])
    known = {name: id_of(tokenizer, name) for name in {text for text, special in pairs if special}}
    special = np.flatnonzero(chunk.special)
    places = (lengths.cumsum() - lengths)[special]
    lengths = lengths.copy()
    lengths[special] = 1
    return np.insert(ids.astype(np.int64), places, [known[chunk.texts[index]] for index in special]), lengths


def _with_names(tokenizer: Tokenizer, chunk: Chunk) -> tuple[Array, Array]:
    """The same where pieces name special tokens within their text. Names of those which stand around every text anyway
    are left out where a text begins or ends."""
    begin = marks_of(tokenizer).begin
    lists: list[list[int]] = []
    for index, (text, special, named) in enumerate(zip(chunk.texts, chunk.special, chunk.named, strict=True)):
        ids = [id_of(tokenizer, text)] if special else _ids(tokenizer, text, named)
        first = chunk.ends[index - 1] if index else not chunk.continues
        begins = named and first and ids[:1] == [begin]
        ends = named and chunk.ends[index] and ids[begins:][-1:] == [tokenizer.end]
        lists.append(ids[begins : len(ids) - ends])
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    return np.fromiter(chain.from_iterable(lists), np.int64, int(lengths.sum())), lengths


def _ids(tokenizer: Tokenizer, text: str, named: bool) -> list[int]:
    return special_ids(tokenizer, text) if named else tokenizer.encode(text)


def _spelled(tokenizer: Tokenizer, chunk: Chunk, raws: list[bytes]) -> list[bytes]:
    """What the pieces add to the text, in UTF-8: names of special tokens add nothing."""
    if not any(chunk.named):
        return raws
    spelled = list(raws)
    for index in np.flatnonzero(chunk.named):
        text = chunk.texts[index]
        spelled[index] = without_names(tokenizer, text, special_ids(tokenizer, text)).encode("utf-8", "surrogatepass")
    return spelled


def _cuts(ends: Array, flags: Array, starts: Array) -> Array:
    """Where the target of each text begins; -1 if it is not some pieces that are read, followed by some scored."""
    last = np.flatnonzero(ends)
    if not len(last):
        return last
    first = np.concatenate([[0], last[:-1] + 1])
    changes = np.concatenate([[False], flags[1:] != flags[:-1]])
    changes[first] = False
    scored = np.add.reduceat(flags[: last[-1] + 1].astype(np.int64), first)
    is_pair = (np.add.reduceat(changes[: last[-1] + 1].astype(np.int64), first) == 1) & flags[last]
    return np.where(is_pair, starts[np.minimum(last - scored + 1, last)], -1)


def _check_labels(chunk: Chunk, lengths: Array) -> None:
    after_label = False
    for text, length, scored, read, ends in zip(
        chunk.texts, lengths.tolist(), chunk.scored, chunk.read, chunk.ends, strict=True
    ):
        told = repr(text[:60])
        if not read and chunk.form == "stream":
            raise InputError(f"the label {told} stands in running text; labels are for examples")
        if after_label and ((scored and length) or not read):
            raise InputError(
                f"{told} is scored and follows a label, so that nothing which is read stands where it would be "
                "predicted; let something that is read stand between"
            )
        if not read and (length != 1 or not scored):
            raise InputError(
                f"the label {told} takes {length} tokens, scored {scored}; it has to be one token, scored: "
                'a tokenizer such as "char" has one for each symbol'
            )
        if length:
            after_label = not read
        if ends:
            after_label = False
