"""A position in a JSON text, and errors for text that is not JSON."""

from __future__ import annotations

import re
from typing import NoReturn

from .problems import Problem, RejectedError, cut
from .source import Mark, Source

_SPACE = re.compile(r"[ \t\n\r]*")
WORD = re.compile(r"[^\s,:\[\]{}\"'/#]+")
_CLOSER = {"{": "}", "[": "]"}


class Cursor:
    """Moves through a text; `at` is the next character."""

    def __init__(self, source: Source, at: int) -> None:
        self.source = source
        self.text = source.text
        self.at = at

    def space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        if match is not None:
            self.at = match.end()

    def fail(self, message: str, mark: Mark | None = None) -> NoReturn:
        raise RejectedError([Problem(message, mark or Mark(self.source, self.at, self.at + 1))])

    def unclosed(self, start: int) -> NoReturn:
        opened, end = self.text[start], len(self.text.rstrip())
        noun = "object" if opened == "{" else "array"
        began = place(Mark(self.source, start, start + 1))
        self.fail(
            f'the text ends before the {noun} that began {began} is closed by "{_CLOSER[opened]}"',
            Mark(self.source, end, end),
        )

    def bad_key(self) -> NoReturn:
        word = WORD.match(self.text, self.at)
        if word is not None:
            mark = Mark(self.source, self.at, word.end())
            self.strange(f"a key takes double quotes: {quoted(word.group())}", mark)
        self.unexpected("a key in double quotes", "")

    def unexpected(self, wanted: str, where: str, opened: int | None = None) -> NoReturn:
        """Fails because the next character is not what `wanted` says."""
        if self.at == len(self.text):
            if opened is not None:
                self.unclosed(opened)
            self.fail(f"the text ends where {wanted} should follow")
        char = self.text[self.at]
        if wanted.startswith('","') and (char in '"{[' or char.isalnum() or char == "-"):
            self.fail("a comma is missing before this")
        where = f" {where}" if where else ""
        self.strange(f"expected {wanted}{where}, found {quoted(char)}")

    def strange(self, message: str, mark: Mark | None = None) -> NoReturn:
        """Fails with `message`, unless the next character is one of the usual slips."""
        char = self.text[self.at]
        if char == "#" or self.text.startswith(("//", "/*"), self.at):
            self.fail('JSON has no comments; describe the recipe in "about"')
        if char in "'`‘’“”«»":
            self.fail('strings and keys take straight double quotes: "')
        if not char.isprintable() or (char.isspace() and char != " "):
            self.fail(f"an invisible character, U+{ord(char):04X}; remove it")
        self.fail(message, mark)


def place(mark: Mark) -> str:
    """`at line 3, column 5`."""
    if not mark.source.numbered:
        return "there"
    line, column = mark.source.line_and_column(mark.start)
    return f"at line {line}, column {column}"


def quoted(text: str) -> str:
    """A text from the file, in quotes and not too long."""
    return f'"{cut(text)}"'
