"""Errors as one screen on stderr: what happened, where, and what to do; a traceback only on demand."""

from __future__ import annotations

import os
import re
import traceback
from types import FrameType
from typing import NoReturn

import click

from partwise.errors import PartwiseError

from .output import write
from .text import visible

TRACEBACK = "PARTWISE_TRACEBACK"
"""Environment variable that, set, has unexpected errors show their traceback."""


def fail(message: str, exit_code: int) -> NoReturn:
    """Ends the command with a message and an exit code."""
    write(visible(message), err=True)
    raise click.exceptions.Exit(exit_code)


def told(error: PartwiseError) -> str:
    """What to say of an error that is meant for the user; if an error of other code led to it, where that arose."""
    text = str(error)
    if not os.environ.get(TRACEBACK):
        return text
    causes = [error.__cause__]
    while causes[-1] is not None:
        causes.append(causes[-1].__cause__)
    if all(cause is None or isinstance(cause, PartwiseError) for cause in causes):
        return text
    return "".join(traceback.format_exception(causes[-2])).rstrip() + f"\n\n{text}"


def unexpected(error: Exception) -> str:
    """What to say of an error that nobody raised for the user: whose code it arose in, and how to see more."""
    if os.environ.get(TRACEBACK):
        return "".join(traceback.format_exception(error)).rstrip()
    if (told := out_of_memory(error)) is not None:
        return told
    text = f"{type(error).__name__}: {error}".rstrip(": ").replace("\n", "\n  ")
    whose, place = _origin(error)
    return f"unexpected error in {whose}: {text}\n  at {place}\n  {TRACEBACK}=1 shows the whole traceback"


def out_of_memory(error: Exception) -> str | None:
    """What to say if the memory did not suffice, of the machine or of its accelerator; None if it is something else."""
    text = str(error)
    if not isinstance(error, MemoryError) and not re.search("out of memory|can't allocate memory", text, re.IGNORECASE):
        return None
    reason = text.strip().partition("\n")[0]
    return (
        f"out of memory: {reason}\n  what takes less: a smaller trainer.batch_size (and as much more of "
        "trainer.accumulate, for the same updates), a shorter context, a narrower model; when writing, fewer --tokens "
        "or a narrower beam"
    )


def _origin(error: Exception) -> tuple[str, str]:
    """Who wrote the innermost code that is not a library's, and where it stands."""
    from partwise.parts.registry import registry

    owners = {plugin.module.partition(":")[0]: str(plugin) for plugin in registry().plugins if not plugin.builtin}
    steps = list(traceback.walk_tb(error.__traceback__))
    for frame, line in reversed(steps):
        module = str(frame.f_globals.get("__name__", ""))
        for name, owner in owners.items():
            if module == name or module.startswith(f"{name}."):
                return f"plugin {owner}", _place(frame, line)
        if module.partition(".")[0].startswith("partwise"):
            return "partwise", _place(frame, line)
    return "partwise", _place(*steps[-1]) if steps else "an unknown place"


def _place(frame: FrameType, line: int) -> str:
    return f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"
