"""Which results a report tells, and the mark on one whose results have changed since.

Every file of a report names its results by their digest. Before results.json is replaced by something that the report
does not tell, the files that hold sentences say so at their top; the tables, which cannot, get another name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from partwise.storage.atomic import unwritable, write_text

from .places import place_of
from .results import Results, at_setting

META = "partwise-results"
"""Name of the element of the page's head that holds the stamp."""
OUTDATED = 'id="outdated"'
TABLES = ("runs", "variants", "contrasts", "effects", "ladder", "trials", "curves")
"""The tables of a study, each a file in `tables` of its directory."""
EARLIER_TABLES = ("results.csv", "summary.csv")
"""Tables that earlier versions wrote beside the report."""
_STAMP = re.compile(rf'<meta name="{META}" content="(\w+), ([^"]*)">')
_HEAD = 8192
"""Bytes of a page within which its stamp stands."""


@dataclass(frozen=True)
class Stamp:
    """What a report on disk says of its results."""

    digest: str
    """Of `Results.digest`; empty if a report does not say, as those of earlier versions do not."""
    runs: str
    """`9 of 12 runs`."""
    outdated: bool
    """Whether it is marked."""

    def tells(self, results: Results) -> bool:
        """Whether it is the report of these results."""
        return not self.outdated and self.digest == results.digest

    @property
    def words(self) -> str:
        """`results 3f2a9c41d0 (9 of 12 runs)`."""
        return f"results {self.digest} ({self.runs})" if self.digest else "results that it does not name"


def runs_told(results: Results) -> str:
    """`9 of 12 runs`."""
    done = sum(outcome.state == "done" for outcome in results.outcomes)
    return f"{done} of {len(results.outcomes)} runs"


def stamp_of(directory: Path) -> Stamp | None:
    """What the report in a study's directory says of its results; None if there is no report."""
    page = directory / "report.html"
    if not page.is_file():
        return None
    try:
        with page.open("rb") as file:
            head = file.read(_HEAD).decode("utf-8", "replace")
        found = _STAMP.search(head)
        outdated = OUTDATED in page.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return Stamp(found[1] if found else "", found[2] if found else "", outdated)


def mark_outdated(directory: Path, results: Results) -> None:
    """Marks a report in the directory that tells other results than these.

    Raises:
        WorkError: a file cannot be written.
    """
    _set_aside_tables(directory, results)
    if results.sizes or results.texts:
        for setting in results.settings:
            mark_outdated(directory / place_of(at_setting(*setting).strip()), results.at(*setting))
    stamp = stamp_of(directory)
    if stamp is None or stamp.outdated or stamp.tells(results):
        return
    text = (
        f"This report is out of date: it tells {stamp.words}, and results.json has changed since. "
        f"`partwise report {directory}` writes it again."
    )
    for name in EARLIER_TABLES:
        _set_aside(directory / name)
    for name, mark in _MARKS.items():
        path = directory / name
        if path.is_file():
            write_text(path, mark(path.read_text(encoding="utf-8"), text))


def clear_outdated(directory: Path) -> None:
    """Removes the tables of an outdated report, and those of an earlier version: new ones stand beside them."""
    for name in TABLES:
        aside(table_in(directory, name)).unlink(missing_ok=True)
    for name in EARLIER_TABLES:
        aside(directory / name).unlink(missing_ok=True)
        if _is_ours(directory / name):
            (directory / name).unlink(missing_ok=True)


def table_in(directory: Path, name: str) -> Path:
    """Where a table of a study's directory lies."""
    return directory / "tables" / f"{name}.csv"


def _is_ours(table: Path) -> bool:
    """Whether a file that an earlier version may have written is such a table, by its last column."""
    try:
        with table.open("rb") as file:
            return file.readline().rstrip().endswith(b",results")
    except OSError:
        return False


def _set_aside_tables(directory: Path, results: Results) -> None:
    """Those that tell of other results: every row ends with the digest of its own."""
    there = [path for name in TABLES if (path := table_in(directory, name)).is_file()]
    if there:
        digest = results.digest.encode()
        for path in there:
            if not path.read_bytes().rstrip().endswith(b"," + digest):
                _set_aside(path)


def aside(table: Path) -> Path:
    """Where a table of an outdated report lies: summary.outdated.csv."""
    return table.with_suffix(f".outdated{table.suffix}")


def _set_aside(table: Path) -> None:
    try:
        if table.is_file():
            table.replace(aside(table))
    except OSError as error:
        raise unwritable(aside(table), error) from error


def _in_markdown(page: str, text: str) -> str:
    return f"> **{text}**\n\n{page}"


def _in_latex(page: str, text: str) -> str:
    return f"% {text}\n" + page.replace(r"\caption{", r"\caption{\textbf{Out of date.} ")


def _in_html(page: str, text: str) -> str:
    from markupsafe import escape

    return page.replace("<main>", f'<main>\n<p class="progress" {OUTDATED}>{escape(text)}</p>', 1)


# The page comes last: as long as it bears no mark, the others are marked again.
_MARKS: dict[str, Callable[[str, str], str]] = {
    "report.md": _in_markdown, "table.tex": _in_latex, "report.html": _in_html,
}  # fmt: skip

__all__ = [
    "META",
    "OUTDATED",
    "TABLES",
    "Stamp",
    "aside",
    "clear_outdated",
    "mark_outdated",
    "runs_told",
    "stamp_of",
    "table_in",
]
