"""Splits of several sources: the members of a mixture, and files of token ids.

Each member is encoded by itself, so that its cache entry stays the same whatever its weight and its neighbours are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from partwise.errors import InputError

from .encoded import Array, SplitFacts, added
from .given_ids import splits_of_ids
from .protocols import Data, GivenIds, Member, Split, Tokenizer


@dataclass(frozen=True, eq=False)
class JoinedSplit(SplitFacts):
    """Several sources as one: every row of any of them is as likely as every other."""

    parts: tuple[SplitFacts, ...]

    def token_counts(self) -> Array:
        return _sum_of_counts(self.parts)


@dataclass(frozen=True, eq=False)
class MixedSplit(SplitFacts):
    """The members of a mixture. As a whole, each token of each member counts once: weights are for training alone."""

    members: Mapping[str, SplitFacts]
    weights: Mapping[str, float]
    """Shares of the tokens trained on; together 1."""

    def token_counts(self) -> Array:
        return _sum_of_counts(list(self.members.values()))


def members_of(data: Data) -> dict[str, Member]:
    """The members of a mixture, those of mixtures within it under "outer.inner"; their weights make 1 together. Empty
    if it is no mixture."""
    given: Mapping[str, Member] = getattr(data, "members", {})
    total = sum(member.weight for member in given.values())
    if given and not total > 0:
        raise InputError("the weights of the mixture are all 0, so that nothing would be trained on; give one more")
    found: dict[str, Member] = {}
    for name, member in given.items():
        share = member.weight / total
        within = members_of(member.data)
        found |= {f"{name}.{inner}": Member(one.data, share * one.weight) for inner, one in within.items()}
        if not within:
            found[name] = Member(member.data, share)
    return found


def split_of(data: Data, split: Split, tokenizer: Tokenizer, encoded: Callable[[Data], SplitFacts]) -> SplitFacts:
    """A split of any data: encoded, or as the ids that it gives; of a mixture, every member by itself.

    Args:
        encoded: encodes the split of data that give texts, or finds it in the cache.

    Raises:
        InputError: what reading the data raises; for a member of a mixture, with its name.
    """
    members = members_of(data)
    if not members:
        return _of_ids(data.ids(split), split, tokenizer) if hasattr(data, "ids") else encoded(data)
    splits: dict[str, SplitFacts] = {}
    for name, member in members.items():
        try:
            splits[name] = split_of(member.data, split, tokenizer, encoded)
        except InputError as error:
            raise InputError(f"member {name!r} of the mixture: {error}") from error
    weights = {name: member.weight for name, member in members.items()}
    return MixedSplit(**facts_of(split, splits), members=splits, weights=weights)


def _of_ids(given: Sequence[GivenIds], split: Split, tokenizer: Tokenizer) -> SplitFacts:
    """Ids that others have made: files of them are one text, in which no window crosses from file to file."""
    parts = splits_of_ids(given, split, tokenizer)
    if len(parts) == 1:
        return parts[0]
    facts = facts_of(split, {f"{number:09}": part for number, part in enumerate(parts)})
    return JoinedSplit(**facts, parts=tuple(parts))


def facts_of(split: Split, parts: Mapping[str, SplitFacts]) -> dict[str, Any]:
    """The facts of several sources together, as arguments of `SplitFacts`."""
    all_parts = list(parts.values())
    form: Literal["stream", "examples"] = all_parts[0].form
    hashes = json.dumps(sorted((name, part.data_hash) for name, part in parts.items()))
    return {
        "name": split,
        "form": form,
        "scored_tokens": sum(part.scored_tokens for part in all_parts),
        "text_bytes": sum(part.text_bytes for part in all_parts),
        "unknowns": sum(part.unknowns for part in all_parts),
        "lossless": all(part.lossless for part in all_parts),
        "unknown_bits": all_parts[0].unknown_bits,
        "data_hash": hashlib.sha256(hashes.encode()).hexdigest(),
    }


def _sum_of_counts(parts: Sequence[SplitFacts]) -> Array:
    counts: Array = np.zeros(1, np.int64)
    for part in parts:
        counts = added(counts, part.token_counts())
    return counts


__all__ = ["JoinedSplit", "MixedSplit", "facts_of", "members_of", "split_of"]
