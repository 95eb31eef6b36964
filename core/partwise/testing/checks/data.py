"""What every data set must do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, permutations, zip_longest
from typing import Any

from partwise.data.protocols import Example, Piece, Split
from partwise.data.survey import counted
from partwise.parts.part import Part
from partwise.parts.sites import DataSite
from partwise.testing.cases import examples
from partwise.testing.registering import check
from partwise.testing.violation import require, violated

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
MOST = 300
"""Examples of a split that are looked at; some data sets are large."""


def first(data: Any, split: Split, most: int = MOST) -> list[Example]:
    """The first examples of a split; of ids that others have made, the first of each file, written as text."""
    if not hasattr(data, "ids"):
        return list(islice(data.examples(split), most))
    return [Example((Piece(" ".join(map(str, given.ids[:MOST_SHARED]))),)) for given in data.ids(split)]


def data_of(part: Part) -> Any:
    """The data set, built once for all checks: some are large."""
    key = type(part), part.model_dump_json()
    if key not in _built:
        _built[key] = part.assemble(DataSite())
    return _built[key]


_built: dict[tuple[type[Part], str], Any] = {}


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


EDGE = 24
"""Characters at a border that two texts do not share by chance."""


@check("data", per="example")
def splits_do_not_overlap(part: Part) -> None:
    """No text of a split goes on into one of another: what is held out begins where the rest ends, not before."""
    data = data_of(part)
    texts = {split: [one for one in _texts(data, split) if len(one) >= 2 * EDGE] for split in SPLITS}
    for one, other in permutations(SPLITS, 2):
        heads = {text[:EDGE]: text for text in texts[other]}
        found = [shared for text in texts[one] if (shared := _goes_on(text, heads))]
        # A text that ends as another begins may be chance; texts that are cut with an overlap are no rare exception.
        rare = len(found) < 0.2 * min(len(texts[one]), len(texts[other]))
        recurs = found and sum(text.count(found[0][:EDGE]) for text in texts[one]) > len(found)
        if found and not rare and not recurs:
            shared = f"{len(found[0])} characters with which the {other} split begins: {found[0][:EDGE]!r} ..."
            violated(f"the {one} split ends with {shared}")


def _goes_on(text: str, heads: dict[str, str]) -> str:
    """The end of a text with which one of others begins; they are found by their first EDGE characters."""
    first = max(1, len(text) - MOST_SHARED)
    if len(heads) < 1000:
        starts = [text.rfind(head, first) for head in heads]
    else:
        starts = [at for at in range(first, len(text) - EDGE + 1) if text[at : at + EDGE] in heads]
    shared = (text[start:] for start in starts if start > 0)
    return next((end for end in shared if heads[end[:EDGE]].startswith(end)), "")


MOST_SHARED = 1 << 14
"""The longest overlap that is looked for, in characters."""


def _texts(data: Any, split: Split) -> Iterator[str]:
    """The texts of a split, what comes in portions joined."""
    portions: list[str] = []
    for example in first(data, split, 2000):
        portions += [piece.text for piece in example.pieces]
        if example.ends:
            yield "".join(portions)
            portions = []
    yield "".join(portions)


@check("data", per="example")
def its_splits_can_be_read_in_turns(part: Part) -> None:
    """Splits that are read side by side give what each gives alone: they share no random state and no open file."""
    data, most = data_of(part), 50
    alone = [first(data, split, most) for split in SPLITS]
    streams = [
        iter(first(data, split, most) if hasattr(data, "ids") else islice(data.examples(split), most))
        for split in SPLITS
    ]
    together: list[list[Example]] = [[] for _ in SPLITS]
    for turn in zip_longest(*streams):
        for found, example in zip(together, turn, strict=True):
            found += [] if example is None else [example]
    for split, one, other in zip(SPLITS, alone, together, strict=True):
        require(one == other, f"read in turns with the other splits, {split} gives something else than alone")


@check("data", per="example")
def what_it_knows_of_its_splits_is_so(part: Part) -> None:
    """Figures that it gives without being read (`survey`) are those of its examples."""
    data = data_of(part)
    if not hasattr(data, "survey"):
        return
    for split in SPLITS:
        told, found = replace(data.survey(split), more={}), counted(data, split)
        require(told == found, f"it says of its {split} split {told}, and its examples give {found}")


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
