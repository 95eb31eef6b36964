"""How listed documents are divided into splits, many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from partwise.data import Split

from .catalogue import Catalogue
from .found import Place
from .splits import Shares

CODES: dict[Split, int] = {"train": 0, "valid": 1, "test": 2}
CUT, WITHHELD = 3, 4
AT_ONCE = 1 << 17
"""Documents that are looked at together."""
COMPARED = 1 << 23
"""Hashes that are compared at once, or about as many."""
NONE = np.empty(0, np.uint64)


@dataclass(frozen=True, eq=False)
class Division:
    """The documents of a catalogue: those of each split, those that are cut, and those that are withheld."""

    listed: Catalogue
    shares: Shares
    cut_above: int
    """Bytes above which a document is cut."""
    withheld: npt.NDArray[np.uint64]
    """Hashes of documents that files of a split's own hold, in ascending order."""

    def codes(self) -> Iterator[tuple[int, npt.NDArray[np.int8]]]:
        """Number of the first of some documents, and of each the code of its split, CUT or WITHHELD."""
        for first, documents in self._portions():
            codes = self._by_hash(documents["place"])
            if self.shares.valid + self.shares.test:
                codes[(documents["size"] > self.cut_above) | self.alone] = CUT
            codes[self._is_withheld(documents["place"])] = WITHHELD
            yield first, codes

    def places(self, split: Split | None) -> Iterator[Place]:
        """Where the documents stand of which a split has all or a section; None: those that are cut."""
        wanted = CUT if split is None else CODES[split]
        for first, codes in self.codes():
            yield from self._placed(first + np.flatnonzero((codes == wanted) | (codes == CUT)), codes, first)

    @cached_property
    def alone(self) -> bool:
        """Whether there is only one document that is not withheld."""
        count = 0
        for _, documents in self._portions():
            count += len(documents) - int(self._is_withheld(documents["place"]).sum())
            if count > 1:
                return False
        return count == 1

    def hashes(self, split: Split | None = None) -> Iterator[npt.NDArray[Any]]:
        """Hashes of the texts of a split, cut ones included; None: of all that are not withheld."""
        for first, codes in self.codes():
            wanted = codes != WITHHELD if split is None else (codes == CODES[split]) | (codes == CUT)
            yield self.listed.documents["place"][first : first + len(codes)][wanted]

    def holds(self, split: Split) -> bool:
        """Whether a document is wholly in a split."""
        return any((codes == CODES[split]).any() for _, codes in self.codes())

    def differing(self) -> tuple[int, set[int]]:
        """How many documents are not withheld, and their hashes: those of some hundred thousand at most."""
        count, found = 0, NONE
        for hashes in self.hashes():
            count += len(hashes)
            if len(found) < AT_ONCE:
                found = np.unique(np.concatenate([found, hashes]))
        return count, set(found.tolist())

    def longest(self) -> int:
        """Bytes of the longest document that is not withheld."""
        sizes = (self._sizes(first, codes != WITHHELD) for first, codes in self.codes())
        return max((int(some.max()) for some in sizes if len(some)), default=0)

    def whole(self, split: Split) -> tuple[int, int, int]:
        """Number, bytes and longest of the documents that are wholly in a split."""
        count = size = longest = 0
        for first, codes in self.codes():
            sizes = self._sizes(first, codes == CODES[split])
            count, size = count + len(sizes), size + int(sizes.sum())
            longest = max(longest, int(sizes.max(initial=0)))
        return count, size, longest

    def count(self, code: int) -> int:
        """How many documents have a code."""
        return sum(int((codes == code).sum()) for _, codes in self.codes())

    def _portions(self) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        for first in range(0, len(self.listed.documents), AT_ONCE):
            yield first, self.listed.documents[first : first + AT_ONCE]

    def _by_hash(self, places: npt.NDArray[np.uint64]) -> npt.NDArray[np.int8]:
        """As `Shares.split_at`."""
        shares = places / 2.0**64
        is_test, is_valid = shares < self.shares.test, shares < self.shares.test + self.shares.valid
        return np.where(is_test, CODES["test"], np.where(is_valid, CODES["valid"], CODES["train"])).astype(np.int8)

    def _is_withheld(self, places: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        if not len(self.withheld):
            return np.zeros(len(places), np.bool_)
        near = np.minimum(np.searchsorted(self.withheld, places), len(self.withheld) - 1)
        return self.withheld[near] == places

    def _sizes(self, first: int, wanted: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        return self.listed.documents["size"][first : first + len(wanted)][wanted]

    def _placed(self, numbers: npt.NDArray[np.int64], codes: npt.NDArray[np.int8], first: int) -> Iterator[Place]:
        documents = self.listed.documents[numbers]
        files = np.searchsorted(self.listed.bounds, numbers, "right") - 1
        columns = (files, documents["start"], documents["stop"], documents["size"], codes[numbers - first] != CUT)
        return map(Place._make, zip(*(column.tolist() for column in columns), strict=True))


def distinct(portions: Iterable[npt.NDArray[np.uint64]], least: int = 0, most: int = 2**64) -> npt.NDArray[np.uint64]:
    """The different hashes from `least` up to `most`, in ascending order."""
    chosen = [some[(some >= np.uint64(least)) & (some <= np.uint64(most - 1))] for some in portions]
    return np.unique(np.concatenate([NONE, *chosen]))


def repeats(division: Division, split: Split) -> int:
    """How many documents of a split repeat another; they are counted some millions at a time."""
    total = sum(map(len, division.hashes(split)))
    parts = 1 + total // COMPARED
    edges = [2**64 * part // parts for part in range(parts + 1)]
    spans = pairwise(edges)
    return total - sum(len(distinct(division.hashes(split), *span)) for span in spans)


__all__ = ["CUT", "WITHHELD", "Division", "distinct", "repeats"]
