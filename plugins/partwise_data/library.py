"""The text of Python's own standard library: real text on every machine.

Only ASCII is kept (a docstring, or a source file, with any other character is left out), so that a
character vocabulary stays below a hundred. The text depends on the version of Python.
"""

from __future__ import annotations

import ast
import os
import platform
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

from partwise import InputError
from partwise.data import Example, Piece, Split

from .splits import Shares, digest

OTHERS = frozenset({"site-packages", "dist-packages", "sitecustomize.py", "usercustomize.py", "__pycache__"})
"""Not part of the library."""
TESTS = frozenset({"test", "tests", "idle_test"})
PROGRAMS = frozenset({"lib2to3", "idlelib", "turtledemo", "ensurepip"})
TABLES = frozenset({"encodings", "pydoc_data"})
"""Generated: character maps and help texts."""
SKIPPED = OTHERS | TESTS | PROGRAMS | TABLES
MACHINE = ("_sysconfigdata", "config-", "lib-dynload")
"""Beginnings of names that only the build of this Python has."""
LARGEST = 300_000
"""Bytes above which a file is taken to be a table."""


class LibraryText:
    """A stream with one text per module, split by the module's path.

    A docstring, or a source file, that stands in several places is read once, so that no split sees another's.
    """

    form: Literal["stream", "examples"] = "stream"

    def __init__(self, text: Literal["prose", "source"], shares: Shares, root: Path | None = None) -> None:
        self.text = text
        self.shares = shares
        self.root = root or Path(os.__file__).parent

    def examples(self, split: Split) -> Iterator[Example]:
        for text in self._texts[split]:
            yield Example((Piece(text),))

    def listed(self) -> bool:
        return True

    def identity(self) -> str:
        files = [(name, (self.root / name).stat().st_size) for name in self._names]
        shares = (self.shares.valid, self.shares.test)
        return digest("library", 2, platform.python_version(), self.text, shares, files)

    @cached_property
    def _names(self) -> list[str]:
        names = sorted(modules(self.root))
        if not names:
            raise InputError(
                f"this Python keeps no source of its standard library in {self.root}: "
                "install it (some systems package it apart), or use data 'text' with files of your own"
            )
        return names

    @cached_property
    def _texts(self) -> dict[Split, list[str]]:
        texts: dict[Split, list[str]] = {"train": [], "valid": [], "test": []}
        seen: set[str] = set()
        for name in self._names:
            source = (self.root / name).read_bytes()
            text = prose(source, seen) if self.text == "prose" else source_text(source, seen)
            if text:
                texts[self.shares.split_of(name)].append(text)
        return texts


def modules(root: Path) -> Iterator[str]:
    """Paths of the library's modules below `root`, in any order, written with forward slashes."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED and not name.startswith(MACHINE)]
        for name in files:
            path = Path(folder, name)
            wanted = name.endswith(".py") and name not in SKIPPED and not name.startswith(MACHINE)
            if wanted and path.stat().st_size <= LARGEST:
                yield path.relative_to(root).as_posix()


def source_text(source: bytes, seen: set[str]) -> str:
    """A source file as it is; nothing if it is not ASCII, or in `seen`, to which it is added."""
    text = source.decode("ascii").replace("\r\n", "\n") if source.isascii() else ""
    if text in seen:
        return ""
    seen.add(text)
    return text


def prose(source: bytes, seen: set[str]) -> str:
    """The docstrings of a module that are not in `seen`, a blank line apart; adds them to `seen`."""
    kept = []
    for text in docstrings(source):
        if text and text.isascii() and text not in seen:
            seen.add(text)
            kept.append(text)
    return "\n\n".join(kept) + "\n" if kept else ""


def docstrings(source: bytes) -> Iterator[str]:
    """Docstrings in the order of the file, dedented, without the paragraphs that show a Python session."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # not a module of this Python: something a distribution added
    for node in _documented(tree):
        paragraphs = re.split(r"\n\s*\n", ast.get_docstring(node) or "")
        yield "\n\n".join(_tidy(paragraph) for paragraph in paragraphs if not re.search(r"(?m)^\s*>>>", paragraph))


def _documented(node: ast.AST) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """What can have a docstring, in the order of the file. Expressions cannot, and are most of a tree."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node
    for field in ("body", "handlers", "cases", "orelse", "finalbody"):
        for child in getattr(node, field, ()):
            yield from _documented(child)


def _tidy(paragraph: str) -> str:
    return "\n".join(line.rstrip() for line in paragraph.splitlines())
