"""Where things stand: a text, a stretch of it, and the tree of JSON values that remember their stretches."""

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
    """How the user knows it: a path, or the option."""
    text: str
    path: FilePath | None = None
    """The file, if it is one."""
    numbered: bool = True
    """Whether lines and columns mean something to the user: in a file, but not in an option or a dict."""
    directory: FilePath | None = None
    """What file names in it are relative to, where that is not the recipe's directory; a file has its own."""

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
    """A stretch of a source, from `start` up to `end`."""

    source: Source
    start: int
    end: int

    def __str__(self) -> str:
        """`recipes/gpt.json:7:37`, or the option."""
        if not self.source.numbered:
            return self.source.name
        line, column = self.source.line_and_column(self.start)
        return f"{self.source.name}:{line}:{column}"


Value = Union[dict[str, "Node"], tuple["Node", ...], str, int, float, bool, None]  # noqa: UP007


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value and where it stands: an object is a dict of nodes, an array a tuple of them."""

    value: Value
    mark: Mark
    key: Mark | None = None
    """Where the key stands that leads here."""

    @property
    def members(self) -> dict[str, Node]:
        """The members of an object; none if it is not one."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def use(self) -> str | None:
        """The name of the part this stands for, if it says one: "rope", or {"use": "rope"}."""
        value = self.members["use"].value if "use" in self.members else self.value
        return value if isinstance(value, str) else None

    @property
    def head(self) -> Mark:
        """Where to point when the whole is meant: at a part's name, if that was written together with the rest."""
        use = self.members.get("use")
        return use.mark if use is not None and use.mark.source is self.mark.source else self.mark

    def child(self, segment: str | int) -> Node | None:
        """What stands at a key or an index; None if nothing does."""
        if isinstance(self.value, dict):
            return self.value.get(segment) if isinstance(segment, str) else None
        if isinstance(self.value, tuple) and isinstance(segment, int) and 0 <= segment < len(self.value):
            return self.value[segment]
        return None

    def reach(self, path: Path) -> tuple[Node, Path]:
        """The deepest node that is written on the way along `path`, and the rest of the way, which is not."""
        node = self
        for depth, segment in enumerate(path):
            child = node.child(segment)
            if child is None:
                return node, path[depth:]
            node = child
        return node, ()

    def plain(self) -> Any:
        """The value without its marks; arrays as tuples, for strict validation takes no list for a tuple."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return tuple(child.plain() for child in self.value)
        return self.value


def marked(value: Any, mark: Mark, key: Mark | None = None) -> Node:
    """A plain JSON value as nodes that all stand at one place."""
    if isinstance(value, dict):
        return Node({name: marked(item, mark) for name, item in value.items()}, mark, key)
    if isinstance(value, list | tuple):
        return Node(tuple(marked(item, mark) for item in value), mark, key)
    return Node(value, mark, key)
