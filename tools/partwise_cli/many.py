"""`partwise generate --prompts FILE`: many prompts at once, answered in lines of JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from partwise.errors import InputError

from .output import said, write
from .text import visible

if TYPE_CHECKING:
    from partwise.decoding import Wanted, Writing
    from partwise.parts import SamplerPart
    from partwise.workflow.reopening import Reopened, Weights

ROWS = 16
"""Texts at once, unless told otherwise."""


@dataclass(frozen=True)
class Asked:
    """What is written, apart from the prompts."""

    writing: Writing
    sampler: SamplerPart | None
    """The one that was asked for in place of the recipe's."""
    weights: Weights
    rows: int


def read(place: str, seed: int) -> list[Wanted]:
    """The prompts of a file; "-" is standard input.

    Raises:
        InputError: it cannot be read, or a line of it is no prompt.
    """
    from partwise.storage.atomic import open_regular
    from partwise.workflow import read_wanted

    if place == "-":
        if sys.stdin is None:
            raise InputError("there is no standard input to read; name a file of prompts")
        return read_wanted(sys.stdin.buffer.read(), "standard input", False, seed)
    try:
        with open_regular(Path(place)) as file:
            content = file.read()
    except OSError as error:
        raise InputError(f"cannot read {place}: {error.strerror or error}") from error
    return read_wanted(content, place, Path(place).suffix in (".jsonl", ".ndjson"), seed)


def answer_all(
    reopened: Reopened, wanted: list[Wanted], asked: Asked, output: Path | None, prepare: Callable[[int], None]
) -> None:
    """Answers the prompts, on standard output or in a file that may have some of the answers already.

    Args:
        prepare: is told how many texts are to be written.
    """
    from partwise import workflow

    settings = workflow.settings_of(reopened, asked.weights, asked.sampler, asked.writing)
    if output is None:
        prepare(len(wanted))
        with _in_order(wanted, settings) as add:
            for index, text in _texts(reopened, wanted, range(len(wanted)), asked):
                add(index, text)
        return
    with workflow.answers_in(output, wanted, settings) as answers:
        missing = answers.missing
        if len(missing) < len(wanted):
            said(f"{output} has {len(wanted) - len(missing)} of {len(wanted)} answers already")
        prepare(len(missing))
        for index, text in _texts(reopened, wanted, missing, asked):
            answers.add(index, text)
        answers.finish()
    write(f"{len(wanted)} answers in {visible(str(output))}", err=True)


def _texts(
    reopened: Reopened, wanted: Sequence[Wanted], which: Sequence[int], asked: Asked
) -> Iterator[tuple[int, str]]:
    """Index and text of some of the prompts. A model of pairs answers nothing with nothing."""
    from partwise import workflow

    blank = [index for index in which if asked.writing.pairs and not wanted[index].prompt]
    others = [index for index in which if index not in set(blank)]
    texts = workflow.generate_many(reopened, [wanted[index] for index in others], asked.writing, asked.rows)
    yield from ((index, "") for index in blank)
    yield from ((others[index], text) for index, text in texts)


@contextmanager
def _in_order(wanted: Sequence[Wanted], settings: str) -> Iterator[Callable[[int, str], None]]:
    """Writes each answer once all before it are written; what is left when the command is stopped comes then."""
    from partwise.workflow import answer

    waiting: dict[int, str] = {}
    written = 0

    def add(index: int, text: str) -> None:
        nonlocal written
        waiting[index] = text
        while written in waiting:
            write(answer(written, wanted[written], waiting.pop(written), settings))
            written += 1

    try:
        yield add
    except KeyboardInterrupt:
        for index in sorted(waiting):
            write(answer(index, wanted[index], waiting[index], settings))
        raise


__all__ = ["ROWS", "Asked", "answer_all", "read"]
