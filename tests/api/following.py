"""Pages whose commands are run as they are shown: their files are written, and what commands print is compared."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from click.testing import CliRunner

from partwise_cli.main import cli

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w./-]+)`:\n\n")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[-+]\d+)?| {2,}")
"""Figures differ from machine to machine in their last digits, and so does the width of their columns."""


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Each block of a page: its language, its text, and the name of the file that it is said to be, if it is."""
    for match in BLOCK.finditer(page):
        names = [one[1] for one in FILE.finditer(page, 0, match.start()) if one.end() == match.start()]
        yield match[1], match[2], names[-1] if names else ""


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a block, with the lines that it is said to print."""
    for part in re.split(r"^\$ partwise ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.rstrip("\n").split("\n")
        yield command, lines


def prints(command: str) -> list[str]:
    """What a command prints, errors included."""
    result = CliRunner().invoke(cli, shlex.split(command))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return [line.rstrip() for line in result.output.rstrip("\n").split("\n")]


def is_as_shown(told: list[str], shown: list[str]) -> bool:
    """Whether lines are those shown, but for figures; a line `...` stands for any lines, and ends as any line's end."""
    if not shown:
        return not told
    if shown[0].strip() == "...":
        return any(is_as_shown(told[skipped:], shown[1:]) for skipped in range(len(told) + 1))
    return bool(told) and _alike(told[0], shown[0]) and is_as_shown(told[1:], shown[1:])


def _alike(line: str, shown: str) -> bool:
    said, expected = (NUMBER.sub("#", one).strip() for one in (line, shown.removesuffix("...")))
    return said.startswith(expected) if shown.endswith("...") else said == expected


def follow(page: str, place: Path) -> list[str]:
    """Does what a page says in the current directory, which is `place`; gives its commands.

    Raises:
        AssertionError: a command prints something else than is shown.
    """
    done = []
    for language, block, file in blocks(page):
        if language == "json" and file:
            (place / file).write_text(block)
        elif language == "console":
            for command, shown in commands(block):
                told = prints(command)
                assert is_as_shown(told, shown), f"$ partwise {command}\n" + "\n".join(told)
                done.append(command)
    return done
