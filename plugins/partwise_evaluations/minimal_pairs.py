"""Minimal pairs: which of two sentences a model holds more likely (Warstadt et al. 2020, arXiv:1912.00582)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partwise.evaluation import Figure, Reader, mean

from .items import Line, existing, items_in, text_of


@dataclass(frozen=True)
class MinimalPairs:
    """Two figures of pairs of a good sentence and a bad one.

    accuracy    share of the pairs whose good sentence is the likelier one
    margin      bits by which it is likelier, on average; negative where the bad one is
    """

    pairs: Sequence[tuple[str, str]]

    def measure(self, reader: Reader) -> Mapping[str, Figure]:
        found = reader.log_likelihoods([("", sentence) for pair in self.pairs for sentence in pair])
        margins = [bad.bits - good.bits for good, bad in zip(found[::2], found[1::2], strict=True)]
        return {"accuracy": mean([float(margin > 0) for margin in margins]), "margin": mean(margins)}


def read_pairs(name: str, directory: Path, good: str, bad: str) -> list[tuple[str, str]]:
    """The pairs in a file of JSON lines, whose keys are `good` and `bad`.

    Raises:
        PartError: a line is no pair; names the line.
    """

    def pair(line: Line) -> tuple[str, str]:
        both = text_of(line, good, "good_field"), text_of(line, bad, "bad_field")
        if both[0] == both[1]:
            raise ValueError("the two sentences are the same, so that neither is the better one; leave the line out")
        return both

    return items_in(existing(name, directory, "file"), pair)


__all__ = ["MinimalPairs", "read_pairs"]
