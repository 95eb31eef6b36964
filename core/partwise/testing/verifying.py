"""Runs checks and reports their outcomes: passed, skipped, failed as expected, or failed.

A part may declare the checks that it is known to fail, `known_failures = {"check": "why", "check[1]": "why"}`: in all
cases, or only in those that the bracket names (an example by its index, a place, a knob). Declarations are strict: it
is an error if a declared failure does not occur, or if there is no check of that name.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from partwise.errors import BuildError
from partwise.parts.part import Part
from partwise.parts.registry import registry

from . import cases, probes
from .contract import checks_of
from .registering import Check, as_check
from .violation import ContractViolation, NotApplicableError, require

Outcome = Literal["passed", "skipped", "expected", "failed"]
Subjects = tuple[cases.Subject, ...]


@dataclass(frozen=True)
class Result:
    """The outcome of one check of one part, over all its examples and sites."""

    kind: str
    part: str
    check: str
    about: str
    outcome: Outcome
    message: str
    """Why it was skipped or is known to fail, or what was violated; empty if it passed."""
    cases: int
    """Cases that were run."""
    seconds: float
    details: str = ""
    """The traceback of a failure."""


def verify(part: type[Part], seed: int = 0) -> Iterator[Result]:
    """Runs the whole contract of a part, in this process."""
    for one in (as_check(declarations, per="part"), *checks_of(part)):
        yield run_check(part, one, seed)


def declarations(part: type[Part]) -> None:
    """Its `known_failures` name checks and cases that exist, and each of its examples fits a site."""
    checks = {one.name: one for one in checks_of(part)}
    for key in part.known_failures:
        name, place = _split(key)
        require(
            name in checks, f"known_failures names a check {name!r}, and there is none of that name for a {part.kind}"
        )
        there = not place or any(one.matches(place) for one in cases.subjects(part, checks[name].per))
        require(there, f"known_failures names a case {key!r}, which does not exist")
    for index, example in enumerate(cases.examples(part)):
        if not cases.stands_for_others(example):
            require(
                cases.sites(example),
                f"example {index} fits none of the sites of a {cases.family(part)} "
                f"({', '.join(part.sites())}), so that nothing checks it: {_refusal(example)}",
            )


def _refusal(part: Part) -> str:
    try:
        cases.skeleton_of(part, next(iter(part.sites().values())))
    except Exception as error:
        return str(error)
    return ""


def run_check(
    part: type[Part], check: Check, seed: int = 0, which: Callable[[Subjects], Subjects] | None = None
) -> Result:
    """Runs one check of a part.

    Args:
        seed: varies the random inputs and weights.
        which: from all cases to those that are run; None for all of them. A declared failure counts as mended only if
            all cases that it covers were run, and with seed 0.
    """
    begun, run, skipped = time.perf_counter(), 0, Counter[str]()
    known = {key: why for key, why in part.known_failures.items() if _split(key)[0] == check.name}
    failures, expected = list[tuple[str, BaseException]](), 0
    subjects = _subjects(part, check, failures)
    chosen = subjects if which is None else which(subjects)
    # Under another seed a failure that stands on random numbers may stay away.
    judged = () if seed else known
    unfailed = {key for key in judged if not any(_covers(key, one) for one in subjects if one not in chosen)}
    with probes.seeded(seed):
        for subject in chosen:
            probes.seed_torch(seed)
            try:
                check(*subject.arguments)
                run += 1
            except NotApplicableError as reason:
                skipped[str(reason)] += 1
            except Exception as error:
                run += 1
                covering = {key for key in known if _covers(key, subject)}
                unfailed -= covering
                expected += bool(covering)
                if not covering:
                    failures.append((subject.label, error))
    outcome, message, details = _judged(part, check, failures, unfailed, known, run, skipped, expected)
    name, took = registry().name_of(part), time.perf_counter() - begun
    return Result(part.kind, name, check.name, check.about, outcome, message, run, took, details)


def _covers(key: str, subject: cases.Subject) -> bool:
    """Whether a declared failure is one of this case."""
    place = _split(key)[1]
    return not place or subject.matches(place)


def _subjects(part: type[Part], check: Check, failures: list[tuple[str, BaseException]]) -> Subjects:
    try:
        return cases.subjects(part, check.per)
    except Exception as error:  # its `examples` or `sites` fail
        failures.append(("examples", error))
        return ()


def _judged(
    part: type[Part],
    check: Check,
    failures: list[tuple[str, BaseException]],
    unfailed: set[str],
    known: dict[str, str],
    run: int,
    skipped: Counter[str],
    expected: int,
) -> tuple[Outcome, str, str]:
    if failures:
        (label, error), more = failures[0], len(failures) - 1
        others = f" (and {more} other case{'s' * (more > 1)})" if more else ""
        where = "" if label == "part" else f"{_in_words(check, label)}: "
        return "failed", f"{where}{_what(error, part)}{others}", "".join(traceback.format_exception(error))
    if unfailed:
        listed = ", ".join(sorted(unfailed))
        return "failed", f"known_failures declares {listed}, which holds now: remove it", ""
    if expected:
        return "expected", "; ".join(dict.fromkeys(known.values())), ""
    if not run:
        reason = "; ".join(skipped) or "no case to run it on"
        return "skipped", reason, ""
    return "passed", "", ""


def _what(error: BaseException, part: type[Part]) -> str:
    if isinstance(error, ContractViolation):
        return str(error)
    if isinstance(error, BuildError) and error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [""]
    if isinstance(error, ValidationError):
        lines = ["; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())]
    return f"it raised {type(error).__name__}: {lines[0]}".rstrip(": ") + _place_in(part, error)


def _place_in(part: type[Part], error: BaseException) -> str:
    """Where the author has to look: the innermost line of the traceback in the part's own package."""
    package = part.__module__.partition(".")[0]
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package:
            path = Path(frame.f_code.co_filename)
            place = f" (at {path.parent.name}/{path.name}:{line})"
    return place


def _in_words(check: Check, label: str) -> str:
    if check.per == "knob":
        return f"knob {label}"
    index, _, place = label.partition("-")
    if not index.isdigit():
        return label
    return f"example {index}" + (f" at {place}" if place else "")


def _split(key: str) -> tuple[str, str]:
    """`check[place]` as its two halves."""
    name, _, rest = key.partition("[")
    return name, rest.removesuffix("]")


def counts(results: Iterable[Result]) -> dict[Outcome, int]:
    """How many passed, were skipped, failed as expected, and failed."""
    found = Counter(result.outcome for result in results)
    return {outcome: found[outcome] for outcome in ("passed", "skipped", "expected", "failed")}
