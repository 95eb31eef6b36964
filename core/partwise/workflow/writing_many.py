"""Many prompts answered with one run, and the file of answers, which a run that was stopped goes on with."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from partwise.decoding.many import Wanted
from partwise.decoding.many import generate_many as many
from partwise.decoding.writing import Writing
from partwise.errors import InputError, WorkError
from partwise.parts.kinds import SamplerPart
from partwise.runs.identity import run_identity
from partwise.storage.atomic import open_regular, unwritable, write_text
from partwise.storage.locks import lock
from partwise.storage.text import decode_text

from .reopening import Reopened, Weights

KEYS = ("prompt", "seed")


def generate_many(
    reopened: Reopened,
    wanted: Sequence[Wanted],
    writing: Writing,
    rows: int = 16,
) -> Iterator[tuple[int, str]]:
    """The index and the text of each prompt, in the order in which they end; each text is what `generate` writes.

    Args:
        rows: texts that are written at once; one that ends makes room for the next.

    Raises:
        InputError: a prompt cannot be answered; a stop string is empty.
    """
    return many(reopened.model, reopened.tokenizer, wanted, writing, rows)


def settings_of(reopened: Reopened, weights: Weights, sampler: SamplerPart | None, writing: Writing) -> str:
    """Ten digits that change whenever something does that decides what is written after a prompt and a seed."""
    chosen = sampler or reopened.recipe.sampler
    said = {
        "run": run_identity(reopened.run.recipe, reopened.run.lock.get("data")),
        "step": reopened.run.best if weights == "best" else reopened.run.step,
        "tokens": writing.limit,
        "sampler": {"use": chosen.name, **chosen.model_dump(mode="json")},
        "stop": list(writing.stop),
        "special": writing.special,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:10]


def read_wanted(content: bytes, place: str, lines: bool, seed: int) -> list[Wanted]:
    """Prompts, one a line; their seeds are `seed` and those that follow, where they have none of their own.

    Args:
        place: where they come from, for messages.
        lines: whether each line is an object of JSON with "prompt" and, if wanted, "seed"; otherwise it is the prompt.

    Raises:
        InputError: a line is no such object; there is no prompt.
    """
    text = decode_text(content, place).replace("\r\n", "\n")
    wanted: list[Wanted] = []
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
        where = f"{place}, line {number}"
        if not lines:
            wanted.append(Wanted(line, seed + len(wanted), where))
        elif line.strip():
            wanted.append(_object(line, where, seed + len(wanted)))
    if not wanted:
        raise InputError(f"{place} has no prompt in it; write one on each line")
    return wanted


def _object(line: str, where: str, seed: int) -> Wanted:
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: this is no JSON ({error}); a line of prompts is {_EXAMPLE}") from error
    if not isinstance(found, dict) or not isinstance(found.get("prompt"), str):
        raise InputError(f'{where}: there is no "prompt" with a text; a line of prompts is {_EXAMPLE}')
    unknown = [key for key in found if key not in KEYS]
    if unknown:
        raise InputError(f'{where}: "{unknown[0]}" means nothing here; the keys of a prompt are "prompt" and "seed"')
    own = found.get("seed", seed)
    if type(own) is not int or not 0 <= own < 2**63:
        raise InputError(f'{where}: "seed" is {json.dumps(own)}; it must be a whole number from 0 to 2^63 - 1')
    if any("\ud800" <= character <= "\udfff" for character in found["prompt"]):
        raise InputError(f'{where}: "prompt" holds half of a character, a lone surrogate, which no tokenizer reads')
    return Wanted(found["prompt"], own, where)


_EXAMPLE = '{"prompt": "Once upon a time"}, with a "seed" if it needs its own'


def _content(place: Path) -> bytes:
    try:
        with open_regular(place) as file:
            return bytes(file.read())
    except OSError as error:
        raise InputError(f"cannot read {place}: {error.strerror or error}") from error


@contextmanager
def answers_in(place: Path, wanted: Sequence[Wanted], settings: str) -> Iterator[Answers]:
    """The answers in a file, which is made if need be, for this process alone until the `with` block ends.

    Raises:
        InputError: the file cannot be written, or holds something else than answers to these prompts with these
            settings.
        WorkError: another process is writing answers into it.
    """
    handle = _own(place)
    try:
        yield Answers(place, wanted, settings)
    finally:
        if handle is not None:
            os.close(handle)


def _own(place: Path) -> int | None:
    """The file, opened, and locked until it is closed; None where there are no locks."""
    while True:
        try:
            handle = os.open(place, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
        except OSError as error:
            raise InputError(f"cannot write {place}: {error.strerror or error}") from error
        outcome = lock(handle)
        with suppress(OSError):
            # Whoever had it before may have put another file in its place, in the order of the prompts.
            if outcome == "held" and os.path.samestat(os.fstat(handle), place.stat()):
                return handle
        os.close(handle)
        if outcome == "unsupported":
            return None
        if outcome == "taken":
            raise WorkError(
                f"another process is writing answers into {place}; wait until it ends, or name another file"
            )


class Answers:
    """A file of answers, a line of JSON each, which is there as soon as a text is over.

    What it holds already, from a command that was stopped, is kept. While texts are written they stand in the order in
    which they end, and in that of the prompts when all are there.
    """

    def __init__(self, place: Path, wanted: Sequence[Wanted], settings: str) -> None:
        """From `answers_in`, which keeps other processes out."""
        self._place, self._wanted, self._settings = place, wanted, settings
        self._lines: dict[int, str] = {}
        content = _content(place)
        whole = content[: content.rfind(b"\n") + 1]
        lines = decode_text(whole, str(place)).splitlines()
        for number, line in enumerate(lines, start=1):
            self._lines[self._index(line, number)] = line
        half = content[len(whole) :]
        if half:  # from a command that was killed, if it is ours
            beginning = _BEGINNING.encode()
            if half[: len(beginning)] != beginning[: len(half)]:
                raise self._foreign(len(lines) + 1)
            os.truncate(place, len(whole))

    def _index(self, line: str, number: int) -> int:
        try:
            found: Any = json.loads(line)
            index = found["line"] - 1
            one, same = self._wanted[index], index >= 0
            same = same and (found["prompt"], found["seed"], found["settings"]) == (
                one.prompt,
                one.seed,
                self._settings,
            )
        except (ValueError, KeyError, TypeError, IndexError):
            same, index = False, -1
        if not same:
            raise self._foreign(number)
        return int(index)

    def _foreign(self, number: int) -> InputError:
        return InputError(
            f"{self._place}, line {number}: this is no answer to the prompts asked now, with the run and the options "
            "given now; name another file, or delete this one"
        )

    @property
    def missing(self) -> list[int]:
        """The prompts that are not answered yet."""
        return [index for index in range(len(self._wanted)) if index not in self._lines]

    def add(self, index: int, text: str) -> None:
        """
        Raises:
            WorkError: it cannot be written, such as on a full disk; what was answered before is kept.
        """
        self._lines[index] = answer(index, self._wanted[index], text, self._settings)
        try:
            with self._place.open("a", encoding="utf-8", newline="\n") as file:
                file.write(self._lines[index] + "\n")
        except OSError as error:
            raise unwritable(self._place, error) from error

    def finish(self) -> None:
        """Puts the answers in the order of the prompts."""
        write_text(self._place, "".join(f"{self._lines[index]}\n" for index in sorted(self._lines)))


def answer(index: int, wanted: Wanted, text: str, settings: str) -> str:
    """A line of JSON."""
    found = {"line": index + 1, "prompt": wanted.prompt, "seed": wanted.seed, "settings": settings, "text": text}
    return json.dumps(found)


_BEGINNING = '{"line": '
"""Of every line that `answer` makes."""


__all__ = ["Answers", "answer", "answers_in", "generate_many", "read_wanted", "settings_of"]
