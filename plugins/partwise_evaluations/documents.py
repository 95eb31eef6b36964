"""Whole documents from data, of which a long one comes in several examples."""

from __future__ import annotations

from collections.abc import Iterator

from partwise.data import Data


def documents_of(data: Data) -> Iterator[str]:
    """The documents of the training split, in order."""
    portions: list[str] = []
    for example in data.examples("train"):
        portions += [piece.text for piece in example.pieces]
        if example.ends:
            yield "".join(portions)
            portions = []


__all__ = ["documents_of"]
