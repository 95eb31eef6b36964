"""Positions: a text, a range of it, and the tree of JSON values, each with its range."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any, Union

from partwise.parts.part import Path


@dataclass(frozen=True, eq=False)
class Source:
    """A text that values are read from: a file, an option of the command line, or an object made in Python."""

    name: str
    """Its name for the user: a path, or the option."""
    text: str
    path: FilePath | None = None
    """The file, if it is one."""
    numbered: bool = True
    """Whether messages give lines and columns: for a file, but not for an option or a dict."""
    directory: FilePath | None = None
    """The directory that file names in it are relative to, if not the recipe's; a file has its own."""

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(index + 1 for index, char in enumerate(self.text) if char == "\n")]

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Both counted from 1, the column in characters."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """A line, counted from 1, without its line break."""
        start = self._starts[number - 1]
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[start:end].removesuffix("\r")


@dataclass(frozen=True, slots=True)
class Mark:
    """A range of a source, from `start` up to `end`."""

    source: Source
    start: int
    end: int

    @property
    def directory(self) -> FilePath | None:
        """That file names here are relative to: of the file; for an option the current one; for an object made in
        Python None."""
        return self.source.directory if self.source.path is None else self.source.path.absolute().parent

    def __str__(self) -> str:
        """`recipes/gpt.json:7:37`, or the option."""
        if not self.source.numbered:
            return self.source.name
        line, column = self.source.line_and_column(self.start)
        return f"{self.source.name}:{line}:{column}"


Value = Union[dict[str, "Node"], tuple["Node", ...], str, int, float, bool, None]  # noqa: UP007


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value and its mark: an object is a dict of nodes, an array a tuple of them."""

    value: Value
    mark: Mark
    key: Mark | None = None
    """The mark of its key, if it is a member of an object."""

    @property
    def members(self) -> dict[str, Node]:
        """The members of an object; none if it is not one."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def use(self) -> str | None:
        """The name of a part, if the node has one: "rope", or {"use": "rope"}."""
        value = self.members["use"].value if "use" in self.members else self.value
        return value if isinstance(value, str) else None

    @property
    def head(self) -> Mark:
        """Where to point when the whole node is meant: at a part's name, if that is in the same source."""
        use = self.members.get("use")
        return use.mark if use is not None and use.mark.source is self.mark.source else self.mark

    def child(self, segment: str | int) -> Node | None:
        """The node at a key or an index; None if there is none."""
        if isinstance(self.value, dict):
            return self.value.get(segment) if isinstance(segment, str) else None
        if isinstance(self.value, tuple) and isinstance(segment, int) and 0 <= segment < len(self.value):
            return self.value[segment]
        return None

    def reach(self, path: Path) -> tuple[Node, Path]:
        """The deepest node along `path` that is written, and the rest of the path."""
        node = self
        for depth, segment in enumerate(path):
            child = node.child(segment)
            if child is None:
                return node, path[depth:]
            node = child
        return node, ()

    def plain(self) -> Any:
        """The value without its marks; arrays as tuples, since strict validation does not accept a list as a tuple."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return tuple(child.plain() for child in self.value)
        return self.value


def marked(value: Any, mark: Mark, key: Mark | None = None) -> Node:
    """A plain JSON value as nodes that all have one mark."""
    if isinstance(value, dict):
        return Node({name: marked(item, mark) for name, item in value.items()}, mark, key)
    if isinstance(value, list | tuple):
        return Node(tuple(marked(item, mark) for item in value), mark, key)
    return Node(value, mark, key)
