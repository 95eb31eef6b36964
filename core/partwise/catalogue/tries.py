"""A command that tries a part: a shipped recipe with the part in a place where it fits.

What is shown has been read and validated, as the command would; tests assemble every model, too.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import islice

from pydantic import BaseModel

from partwise import workflow
from partwise.errors import PartwiseError
from partwise.parts.kinds import AttentionPart, DataPart, EmbeddingPart, ObjectivePart, TokenizerPart, TrainerPart
from partwise.parts.part import Part, parts_within
from partwise.recipe import load
from partwise.recipe.reader.problems import dotted

from .slots import OwnedSlot
from .snippets import setting, written

BASES = ("gpt", "transformer", "char-rnn", "word-gru", "lstm-attention")
"""The recipes that a part is tried in, the likeliest first."""
DECIDED_LATER = (AttentionPart, EmbeddingPart, ObjectivePart)
"""Kinds of which some parts fit some models only, as is seen when the model is assembled."""
MOST = 8
"""Places that are tried."""
LONGEST = 160
"""Most characters of what a command sets."""


@cache
def command(part: type[Part], fitting: tuple[OwnedSlot, ...]) -> str | None:
    """`partwise train gpt --set PATH=PART`; None if no such command is known to work."""
    one = setting(part)
    if one is None or issubclass(part, DataPart | TokenizerPart | TrainerPart):
        return None  # what these name lies elsewhere, or decides how long the training takes
    value = written(one)
    for base, place, several in islice(_places(part, fitting), MOST):
        change = f"{place}={_text([value] if several else value)}"
        if len(change) <= LONGEST and _works(base, change, part):
            return f"partwise train {base} --set {shlex.quote(change)}"
    return None


def _text(value: object) -> str:
    """A name needs no quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _places(part: type[Part], fitting: tuple[OwnedSlot, ...]) -> Iterator[tuple[str, str, bool]]:
    for base in BASES:
        for path, owner in _owners(base):
            for slot in fitting:
                if (slot.owner is None and not path) or (slot.owner and slot.owner.part is type(owner)):
                    yield base, dotted((*path, slot.knob)), slot.several


@cache
def _owners(base: str) -> tuple[tuple[tuple[str | int, ...], BaseModel], ...]:
    """A recipe and the parts within it, each with its place; nothing if the recipe does not hold here."""
    try:
        recipe = load(base).recipe
    except PartwiseError:
        return ()
    return (((), recipe), *parts_within(recipe))


def _works(base: str, change: str, part: type[Part]) -> bool:
    try:
        loaded = load(base, [change])
        if issubclass(part, DECIDED_LATER):
            workflow.check(loaded)
    except PartwiseError:
        return False
    return any(type(found) is part for _, found in parts_within(loaded.recipe))


__all__ = ["command"]
