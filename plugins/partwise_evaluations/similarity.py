"""Similarity of words: whether vectors find alike what people find alike (WordSim-353, Finkelstein et al. 2002)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import spearmanr

from partwise import InputError, PartError
from partwise.evaluation import Figure, Reader, mean
from partwise.looking import WordTable
from partwise.wording import joined

from .items import existing, parsed_lines, shown

LEAST = 4
"""Pairs that a rank correlation with a standard error takes."""


@dataclass(frozen=True)
class Similarity:
    """Two figures of pairs of words that people have judged.

    spearman    rank correlation of the cosines of vectors with the judgements, of the pairs whose words are known
    known       share of the pairs whose words both have a vector; the others are left out
    """

    pairs: Sequence[tuple[str, str, float]]

    def measure(self, reader: Reader) -> Mapping[str, Figure]:
        words = WordTable.of(reader.model, reader.tokenizer)
        found = [(words.token(one), words.token(other), score) for one, other, score in self.pairs]
        known = [(one, other, score) for one, other, score in found if one is not None and other is not None]
        if len(known) < LEAST:
            raise InputError(
                f"of the {len(found)} pairs, {len(known)} have words that the model knows, and a correlation takes "
                f"{LEAST}; check that the words are written as in the training texts"
            )
        cosines = words.cosines([(one, other) for one, other, _ in known]).tolist()
        rank = float(spearmanr(cosines, [score for *_, score in known]).statistic)
        share = mean([float(one is not None and other is not None) for one, other, _ in found])
        return {"spearman": Figure(rank, len(known), _error(rank, len(known))), "known": share}


def _error(rank: float, count: int) -> float:
    """The standard error of a rank correlation, of its Fisher transform brought back (Bonett & Wright 2000)."""
    return (1 - rank**2) * math.sqrt((1 + rank**2 / 2) / (count - 3))


def read_pairs(name: str, directory: Path, score: str | None) -> list[tuple[str, str, float]]:
    """The pairs in a file, and how alike people find them.

    Args:
        score: the column of the judgement, by its name in the first line; None: the third.

    Raises:
        PartError: a line is no such pair; names the line.
    """
    path = existing(name, directory, "file")
    column, first = 2, True

    def pair(line: str) -> tuple[str, str, float] | None:
        nonlocal column, first
        fields = _fields(line)
        if first:
            first = False
            if score is not None:
                column = _titled(fields, score, path)
                return None
            if len(fields) > column and _number(fields[column]) is None:
                return None
        return _pair(fields, column)

    found = [one for one in parsed_lines(path, pair) if one is not None]
    if not found:
        raise PartError(f"{path} holds a line of titles and no pair; an evaluation needs some", ("file",))
    return found


def _titled(titles: list[str], title: str, path: Path) -> int:
    if title not in titles:
        raise PartError(
            f"{path}: no column is called {title!r}; the first line names {joined(map(repr, titles))}", ("score",)
        )
    return titles.index(title)


def _pair(fields: Sequence[str], column: int) -> tuple[str, str, float]:
    """
    Raises:
        ValueError: the fields of a line are not two words and a number.
    """
    if len(fields) <= column:
        raise ValueError(
            f"{len(fields)} of {column + 1} columns are there; expected two words and a number, with tabs or commas "
            "between them"
        )
    one, other, score = fields[0], fields[1], _number(fields[column])
    if not one or not other:
        raise ValueError("a word is missing; leave the line out")
    if score is None:
        raise ValueError(f"{shown(fields[column])} is no number; expected how alike the two words are")
    return one, other, score


def _fields(line: str) -> list[str]:
    """The columns of a line, between tabs or, where it has none, commas or white space."""
    separator = next((one for one in ("\t", ",") if one in line), None)
    return [field.strip() for field in line.split(separator)]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


__all__ = ["Similarity", "read_pairs"]
