"""Figures logged while training, one JSON object per line: appended to, and cut back when a run resumes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from partwise.errors import WorkError
from partwise.metric_names import EVALUATED, LOSS
from partwise.storage.atomic import flush_to_disk, open_regular, unwritable, write_bytes

MetricsRow = Mapping[str, float | int | str | None]
"""Figures of one step; `step` counts the updates done."""

LONGEST_ROW = 1024**2
"""Bytes that a row may have; a real one has a few hundred."""


class MetricsLog:
    """The rows in one file, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: MetricsRow) -> None:
        """Adds a row; figures that are not finite, which JSON cannot express, become null.

        Raises:
            WorkError: it could not be written.
        """
        line = json.dumps({key: None if _is_infinite_or_nan(value) else value for key, value in row.items()})
        try:
            # Opened each time (some 20 microseconds), so that no open file outlives an error and every row is seen.
            with open(self.path, "a", encoding="utf-8", opener=_without_following_links) as file:
                file.write(line + "\n")
        except OSError as error:
            raise unwritable(self.path, error) from error

    def all(self) -> list[dict[str, Any]]:
        """Every row so far, without a last line that was cut short.

        Raises:
            WorkError: a line is not a row; the message names the line.
        """
        if not self.path.exists():
            return []
        try:
            return [self._row(number, line) for number, line in enumerate(self._lines(), 1)]
        except OSError as error:
            raise WorkError(f"cannot read {self.path}: {error.strerror or error}") from error

    def content(self) -> bytes:
        """The file as it is, to be put beside a checkpoint."""
        if not self.path.exists():
            return b""
        with open_regular(self.path) as file:
            content: bytes = file.read()
        return content

    def return_to(self, content: bytes) -> bool:
        """Restores the file to `content`; returns whether it still began with exactly that.

        Raises:
            WorkError: it could not be written.
        """
        try:
            intact = self._begins_with(content)
            if intact and self.path.exists():
                os.truncate(self.path, len(content))
                self.flush()
        except OSError:
            intact = False
        if not intact:
            write_bytes(self.path, content)
        return intact

    def _begins_with(self, content: bytes) -> bool:
        if self.path.is_symlink() or not self.path.exists():  # a link might lead out of the run's directory
            return not content and not self.path.is_symlink()
        with open_regular(self.path) as file:
            return bool(file.read(len(content)) == content)

    def flush(self) -> None:
        """Waits until the rows are on the disk itself."""
        if self.path.exists():
            flush_to_disk(self.path)

    def _lines(self) -> Iterator[bytes]:
        with open_regular(self.path) as file:
            while (line := file.readline(LONGEST_ROW)).endswith(b"\n"):
                yield line[:-1]
            if len(line) == LONGEST_ROW:
                yield line

    def _row(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            row: dict[str, Any] = json.loads(line.decode("utf-8"), parse_constant=_refuse)
            if type(row["step"]) is not int or not all(_is_figure(key, value) for key, value in row.items()):
                raise ValueError
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            shown = repr(line[:80].decode("utf-8", "replace"))
            raise WorkError(f"{self.path}:{number} is damaged, or was not written by partwise: {shown}") from error
        return row


def _without_following_links(path: str, flags: int) -> int:
    """Opens no link, which might lead out of the run's directory."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_figure(key: str, value: object) -> bool:
    """Whether the value is a number where readers calculate with it; other keys may have text."""
    if isinstance(value, str):
        return key != LOSS and not key.startswith(EVALUATED)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value is None
    return math.isfinite(value)


def _is_infinite_or_nan(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
