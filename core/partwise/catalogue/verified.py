"""What verification found of the parts that come with partwise, as it is shipped with them.

`make verified` makes the file. It knows the code by hashes, not by a date: of the package that a part is from, and of
the rooms of the core that build parts and check them. So whoever reads it sees which results are of other code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import partwise
from partwise.errors import PartwiseError
from partwise.parts.registry import RegisteredPart
from partwise.provenance.sources import source_hash
from partwise.storage.atomic import read_json

from .check_results import OUTCOMES, AnyResult, CheckResult, ResultsByPart, by_part

FILE = Path(__file__).parent / "verified.json"
ROOMS = (
    *("assembly", "data", "decoding", "evaluation", "modules", "parts", "recipe", "runs", "storage", "testing"),
    "training",
)
"""The rooms of the core that decide what comes of a check."""


@dataclass(frozen=True)
class Verified:
    """Shipped results."""

    results: ResultsByPart
    origin: str
    """With which versions they were made, in words."""
    stale: frozenset[tuple[str, str]]
    """Kinds and names of parts whose results are of other code than what is installed."""


def described(results: Iterable[AnyResult], entries: Iterable[RegisteredPart]) -> dict[str, Any]:
    """Results as the file has them: each check's text once, and no result twice."""
    found = by_part(results)
    parts = {}
    for entry in entries:
        ones = found.get((entry.part.kind, entry.name), ())
        by_outcome: dict[str, Any] = {}
        for one in ones:
            if one.outcome == "passed":
                by_outcome.setdefault("passed", []).append(one.check)
            else:
                by_outcome.setdefault(one.outcome, {})[one.check] = one.message
        parts[f"{entry.part.kind} {entry.name}"] = {"code": code_of(entry), **by_outcome}
    about = {one.check: one.about for ones in found.values() for one in ones}
    return {
        "about": "What `partwise verify` found of the parts that come with partwise; `make verified` writes it.",
        "partwise": version("partwise"),
        "torch": version("torch").partition("+")[0],
        "checks": dict(sorted(about.items())),
        "parts": dict(sorted(parts.items())),
    }


def code_of(entry: RegisteredPart) -> str:
    """Changes whenever the code of a part, or of what builds and checks it, may have."""
    return hashlib.sha256(f"{source_hash(entry.part)} {_core()}".encode()).hexdigest()[:16]


def read_verified(entries: Iterable[RegisteredPart], file: Path = FILE) -> Verified | None:
    """The shipped results of what is installed; None if there are none, or nothing that can be read."""
    try:
        written = read_json(file)
        checks, parts = written["checks"], written["parts"]
        results, stale = {}, set()
        for entry in entries:
            key, told = (entry.part.kind, entry.name), parts.get(f"{entry.part.kind} {entry.name}")
            if told is None or not entry.plugin.builtin:
                continue
            results[key] = tuple(sorted(_results(key, told, checks), key=lambda one: one.check))
            if told["code"] != code_of(entry):
                stale.add(key)
        origin = f"partwise {written['partwise']} with PyTorch {written['torch']}, before it was released"
    except (PartwiseError, OSError, KeyError, TypeError, AttributeError, ValueError):
        return None
    return Verified(results, origin, frozenset(stale))


def _results(key: tuple[str, str], told: Mapping[str, Any], checks: Mapping[str, str]) -> Iterable[CheckResult]:
    for outcome in OUTCOMES:
        ones = told.get(outcome, ())
        for check in ones:
            message = ones[check] if isinstance(ones, dict) else ""
            yield CheckResult(*key, check, checks[check], outcome, message)


@cache
def _core() -> str:
    top, digest = Path(partwise.__file__).parent, hashlib.sha256()
    for source in sorted(path for room in ROOMS for path in (top / room).rglob("*.py")):
        digest.update(source.relative_to(top).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


__all__ = ["FILE", "Verified", "code_of", "described", "read_verified"]
