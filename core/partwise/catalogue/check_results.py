"""What `partwise verify` found of a part, read from its JSON or straight from the suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from partwise.errors import InputError, PartwiseError
from partwise.rendering.text import printable
from partwise.storage.atomic import read_json

Outcome = Literal["passed", "skipped", "expected", "failed"]
OUTCOMES: Mapping[str, str] = {
    "passed": "passed",
    "skipped": "skipped",
    "expected": "failed as expected",
    "failed": "failed",
}
KEYS = ("kind", "part", "check", "about", "outcome", "message")


class AnyResult(Protocol):
    """The fields of a `partwise.testing.Result` that a catalogue shows."""

    @property
    def kind(self) -> str: ...
    @property
    def part(self) -> str: ...
    @property
    def check(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def message(self) -> str: ...


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check of one part."""

    kind: str
    part: str
    check: str
    about: str
    outcome: str
    message: str


ResultsByPart = Mapping[tuple[str, str], tuple[CheckResult, ...]]
"""By kind and name of the part, in the order of the checks' names."""


def by_part(results: Iterable[AnyResult]) -> ResultsByPart:
    """Results by part, sorted by check."""
    found: dict[tuple[str, str], list[CheckResult]] = {}
    for one in results:
        plain = CheckResult(*(printable(str(getattr(one, key))) for key in KEYS))
        found.setdefault((one.kind, one.part), []).append(plain)
    return {key: tuple(sorted(ones, key=lambda one: one.check)) for key, ones in found.items()}


def read_results(path: Path) -> ResultsByPart:
    """What `partwise verify --all --json > path` wrote.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    return results_in(lambda: read_json(path), str(path))


def results_in(read: Callable[[], dict[str, Any]], name: str) -> ResultsByPart:
    """What `partwise verify --all --json` wrote, as `read` gives it; `name` is what it is read from.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    try:
        written = read().get("results")
        if not isinstance(written, list):
            raise InputError("it has no list `results`")
        return by_part(_result(one) for one in written)
    except PartwiseError as error:
        raise InputError(
            f"{name} does not hold the results of a verification: {error}\n"
            "  make a file of them with `partwise verify --all --json > FILE`"
        ) from error


def _result(written: Any) -> CheckResult:
    if not isinstance(written, dict) or not all(isinstance(written.get(key), str) for key in KEYS):
        raise InputError(f"each result needs the texts {', '.join(KEYS)}, and one lacks some of them")
    if written["outcome"] not in OUTCOMES:
        raise InputError(f"an outcome is one of {', '.join(OUTCOMES)}, got {written['outcome']!r}")
    return CheckResult(*(written[key] for key in KEYS))


def counts(results: Iterable[CheckResult]) -> dict[str, int]:
    """The number of checks with each outcome, zeros included."""
    outcomes = [one.outcome for one in results]
    return {outcome: outcomes.count(outcome) for outcome in OUTCOMES}


__all__ = ["OUTCOMES", "CheckResult", "ResultsByPart", "by_part", "counts", "read_results"]
