"""Token ids that others have made, as a split: used where they stand, and read once to be counted and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from partwise.errors import InputError, WorkError
from partwise.storage.atomic import read_json, write_json

from .cache import cache_directory, made_in_cache
from .encoded import Array, EncodedSplit
from .protocols import GivenIds, Split, Tokenizer

AT_ONCE = 2**22
"""Ids that are looked at at once, so that no file need fit into memory."""
FORMAT = 1
"""Changes with what is kept of a file."""


@dataclass(frozen=True)
class Counted:
    """What one pass over an array of ids finds."""

    counts: Array
    """How often each id is there, up to the highest."""
    data_hash: str
    """A hash of the ids, whatever the type they are stored in."""


def splits_of_ids(given: Sequence[GivenIds], split: Split, tokenizer: Tokenizer) -> list[EncodedSplit]:
    """Arrays of ids, each as a split of running text; without any, a split without text.

    Raises:
        InputError: an id is not one of the tokenizer's.
    """
    if not given:
        return [_split(GivenIds(np.array([tokenizer.end]), "nothing"), split, tokenizer)]
    return [_split(one, split, tokenizer) for one in given]


def _split(given: GivenIds, split: Split, tokenizer: Tokenizer) -> EncodedSplit:
    found = _counted(given, tokenizer.vocab_size)
    scored = found.counts.copy()
    scored[int(given.ids[0])] -= 1  # which nothing predicts
    sizes = np.array([len(tokenizer.token_bytes(token)) for token in range(len(scored))])
    unknown = tokenizer.unknown
    return EncodedSplit(
        name=split,
        form="stream",
        tokens=given.ids,
        scored=None,
        bounds=None,
        cuts=None,
        scored_tokens=int(scored.sum()),
        text_bytes=int(scored @ sizes),
        unknowns=int(scored[unknown]) if unknown is not None and unknown < len(scored) else 0,
        lossless=tokenizer.lossless,
        unknown_bits=tokenizer.unknown_bits,
        data_hash=found.data_hash,
    )


def _counted(given: GivenIds, limit: int) -> Counted:
    """What is in the array: counted now, or found in the cache."""
    if given.changed is None:
        return _count(given, limit)
    key = hashlib.sha256(json.dumps([FORMAT, *given.changed]).encode()).hexdigest()[:24]
    kept = cache_directory() / "ids" / f"{key}.json"
    with suppress(OSError, ValueError, KeyError, TypeError, InputError, WorkError):
        saved: dict[str, Any] = read_json(kept)
        found = Counted(np.array(saved["counts"], np.int64), str(saved["hash"]))
        if found.counts.sum() == len(given.ids):
            if len(found.counts) > limit:
                _count(given, limit)  # says where
            return found
    found = _count(given, limit)
    made_in_cache(kept.parent)
    write_json(kept, {"counts": found.counts.tolist(), "hash": found.data_hash})
    return found


def _count(given: GivenIds, limit: int) -> Counted:
    """
    Raises:
        InputError: an id is negative, or not below `limit`.
    """
    counts, digest = np.zeros(1, np.int64), hashlib.sha256()
    for start in range(0, len(given.ids), AT_ONCE):
        part = np.asarray(given.ids[start : start + AT_ONCE])
        if (wrong := (part < 0) | (part >= limit)).any():
            place = int(wrong.argmax())
            raise InputError(
                f"{given.place}: the id at place {start + place:,} (from 0) is {int(part[place])}, and the recipe's "
                f"tokenizer has {limit:,} ids, from 0 to {limit - 1}; use the tokenizer that these ids were made with"
                f"{given.advice(limit)}"
            )
        more = np.bincount(part.astype(np.int64), minlength=len(counts))
        more[: len(counts)] += counts
        counts = more
        digest.update(part.astype("<u4").tobytes())
    return Counted(counts, digest.hexdigest())


__all__ = ["splits_of_ids"]
