"""What every data set must do."""

from __future__ import annotations

import random
from functools import cache
from itertools import islice
from typing import Any

from partwise.data.protocols import Example, Split
from partwise.parts.part import Part
from partwise.parts.sites import DataSite
from partwise.testing.cases import examples
from partwise.testing.registering import check
from partwise.testing.violation import require

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
MOST = 300
"""Examples of a split that are looked at; some data sets are large."""


def first(data: Any, split: Split, most: int = MOST) -> list[Example]:
    """The first examples of a split."""
    return list(islice(data.examples(split), most))


@cache
def data_of(part: Part) -> Any:
    """The data set, built once for all checks: some are large."""
    return part.assemble(DataSite())


@check("data", per="example")
def examples_are_sound(part: Part) -> None:
    """Each split has examples, in the form that is announced, and each example has something to learn in it."""
    data = data_of(part)
    require(data.form in ("stream", "examples"), f"its form is {data.form!r}")
    for split in SPLITS:
        found = first(data, split)
        require(found, f"its {split} split is empty")
        for example in found:
            require(any(piece.scored and piece.text for piece in example.pieces), f"nothing to learn in {example}")
            for piece in example.pieces:
                require(
                    piece.text == piece.text.encode("utf-8", "replace").decode(), f"{piece.text!r} is no Unicode text"
                )
            require(example.ends or data.form == "stream", "an example that does not end")


@check("data", per="example")
def it_yields_the_same_each_time(part: Part) -> None:
    """Each call gives the same examples in the same order, and leaves the global random state alone."""
    data, again = data_of(part), part.assemble(DataSite())
    for split in SPLITS:
        one = first(data, split)
        random.seed(9)
        before = random.getstate()
        require(first(data, split) == one, f"a second pass over {split} gives something else")
        require(first(again, split) == one, f"built again it gives something else for {split}")
        require(random.getstate() == before, "it draws from the global random state")
    require(again.identity() == data.identity(), "the identity of the same data changes")


@check("data", per="example")
def splits_share_nothing(part: Part) -> None:
    """No text is in two splits."""
    data = data_of(part)
    seen: dict[str, str] = {}
    for split in SPLITS:
        for text in {_whole(example) for example in first(data, split, 2000)}:
            other = seen.setdefault(text, split)
            require(other == split, f"{text[:60]!r} is in the {other} split and in the {split} split")


def _whole(example: Example) -> str:
    return " -> ".join(piece.text for piece in example.pieces)


@check("data", per="example")
def other_data_has_another_identity(part: Part) -> None:
    """Settings that give other texts have another identity, by which the cache of encoded texts is named."""
    data = data_of(part)
    mine = [first(data, split, 50) for split in SPLITS]
    for other in examples(type(part)):
        theirs = data_of(other)
        if [first(theirs, split, 50) for split in SPLITS] != mine:
            differs = theirs.identity() != data.identity()
            require(differs, f"{part!r} and {other!r} give different texts and have the same identity")
