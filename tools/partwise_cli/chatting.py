"""`partwise generate --chat`: lines from a terminal, or from standard input, and the answers to them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from partwise.errors import InputError

from .output import write
from .text import visible

if TYPE_CHECKING:
    from partwise.workflow import Chat

RESET = "/reset"


def talk(chat: Chat, as_json: bool) -> None:
    """Answers line by line, until there are no more.

    At a terminal, Ctrl-C ends an answer, or leaves where nothing is being answered, and what cannot be answered is told
    and forgotten. Elsewhere both end the command.

    Raises:
        InputError: a line cannot be answered, and nobody is there to say it otherwise.
    """
    at_terminal = sys.stdin is not None and sys.stdin.isatty()
    if at_terminal and not as_json:
        write(f"Say something. {RESET} begins anew, Ctrl-D leaves.", err=True)
    told = False
    for number, line in enumerate(_typed() if at_terminal else _piped(), start=1):
        if line.strip() == RESET:
            chat.reset()
            told = False
            continue
        if not line.strip():
            continue
        try:
            _answer(chat, line, as_json)
        except InputError as error:
            if not at_terminal:
                raise InputError(f"standard input, line {number}: {error}") from error
            write(f"{visible(str(error))}", err=True)
        except KeyboardInterrupt:
            if not at_terminal:
                raise
            write()
        if chat.forgotten and not told:
            told = True
            write(
                "note: the conversation no longer fits into the model's context; the oldest turns are forgotten",
                err=True,
            )


def _answer(chat: Chat, line: str, as_json: bool) -> None:
    pieces = chat.answer(line)
    if as_json:
        write(json.dumps({"prompt": line, "text": "".join(pieces)}))
        return
    for piece in pieces:
        write(visible(piece), end="")
    write()


def _typed() -> Iterator[str]:
    """Lines that somebody types, until Ctrl-D or Ctrl-C."""
    with suppress(ImportError):
        import readline  # noqa: F401  (which lets one edit the line, and recall earlier ones)
    while True:
        try:
            line: str = click.prompt(">", prompt_suffix=" ", default="", show_default=False)
        except click.Abort:
            write()
            return
        yield line.encode("utf-8", "replace").decode()


def _piped() -> Iterator[str]:
    """
    Raises:
        InputError: there is no standard input, or a line of it is no text.
    """
    from partwise.storage import decode_text

    if sys.stdin is None:
        raise InputError("there is no standard input to read what is said from")
    for number, raw in enumerate(sys.stdin.buffer, start=1):
        yield decode_text(raw, f"standard input, line {number}").rstrip("\r\n")
