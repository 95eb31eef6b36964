"""Figures of a training, one JSON object a line: appended as it goes, cut back when it goes on from a checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import WorkError
from .files import flush_to_disk, unwritable, write_text

Row = Mapping[str, float | int | str | None]
"""Figures of one step; `step` counts the updates done."""


class Rows:
    """The rows in one file, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: Row) -> None:
        """Adds a row; figures that are not finite, which JSON cannot say, become null.

        Raises:
            WorkError: it could not be written.
        """
        line = json.dumps({key: None if _endless(value) else value for key, value in row.items()})
        try:
            # Opened each time (some 20 microseconds), so that no open file outlives an error and every row is seen.
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise unwritable(self.path, error) from error

    def all(self) -> list[dict[str, Any]]:
        """Every row so far.

        Raises:
            WorkError: a line is no row; names the line.
        """
        return [row for _, row in self._lines()]

    def forget_after(self, step: int) -> None:
        """Drops the rows of later steps, and a last line that was cut short; the others stay as they are."""
        if self.path.exists():
            write_text(self.path, "".join(f"{line}\n" for line, row in self._lines() if row["step"] <= step))

    def flush(self) -> None:
        """Waits until the rows are on the disk itself."""
        if self.path.exists():
            flush_to_disk(self.path)

    def _lines(self) -> list[tuple[str, dict[str, Any]]]:
        if not self.path.exists():
            return []
        *whole, _cut_short = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        return [(line, self._row(number, line)) for number, line in enumerate(whole, 1)]

    def _row(self, number: int, line: str) -> dict[str, Any]:
        try:
            row: dict[str, Any] = json.loads(line)
            row["step"] + 0
        except (ValueError, TypeError, KeyError) as error:
            raise WorkError(
                f"{self.path}:{number} is damaged, or was not written by partwise: {line[:80]!r}"
            ) from error
        return row


def _endless(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
