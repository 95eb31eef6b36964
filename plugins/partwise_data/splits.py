"""Which split a text belongs to, and hashes that identify a data set. Neither depends on the machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from partwise.data import Split


@dataclass(frozen=True)
class Shares:
    """The fractions of a data set that are held out; the rest is for training."""

    valid: float
    test: float

    @property
    def wanted(self) -> frozenset[Split]:
        """The splits that should hold something."""
        held_out: tuple[tuple[Split, float], ...] = (("valid", self.valid), ("test", self.test))
        return frozenset({"train", *(split for split, share in held_out if share)})

    def split_of(self, key: str) -> Split:
        """The split of the text named `key`, by a hash of the name: no other text can move it."""
        return self.split_at(place_of(key))

    def split_at(self, place: int) -> Split:
        """The split of the text whose name has this hash."""
        share = place / 2**64
        if share < self.test:
            return "test"
        return "valid" if share < self.test + self.valid else "train"


def place_of(key: str) -> int:
    """A hash of a name, below 2^64."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def digest(*facts: object) -> str:
    """A hash of JSON values; different values have different hashes."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
