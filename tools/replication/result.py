"""What a replication is, and the study that it reads its figures from."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from partwise.studies.analysis import analyse
from partwise.studies.analysis.findings import Contrast
from partwise.studies.directories import RESULTS
from partwise.studies.results import Outcome, Results
from partwise.workflow import Reopened, reopen

RUNS = Path("runs/replications")


@dataclass(frozen=True)
class Obtained:
    """What came out."""

    figures: str
    holds: bool


@dataclass(frozen=True)
class Replication:
    """A result that others have published, or that follows from a formula."""

    source: str
    expected: str
    obtain: Callable[[str], Obtained]
    """Trains and judges, given the replication's name."""
    note: str = ""
    """Why it is not obtained, as far as that is known; shown where it is not."""


def study(name: str) -> Results:
    """What came of a study, which is run as far as it is not done."""
    out = RUNS / name
    partwise("ablate", f"replications/{name}", "--out", str(out))
    return Results.load(out / RESULTS)


def runs_of(name: str, outcomes: Iterable[Outcome]) -> Iterator[Reopened]:
    """The trained runs of a study, of which its results say where they lie as seen from the study's directory."""
    return (reopen(RUNS / name / str(one.directory)) for one in outcomes)


def partwise(*words: str) -> None:
    """A command of partwise; what it says goes to the errors, so that the table stands alone.

    Raises:
        SystemExit: it failed, and has said why.
    """
    command = [str(Path(sys.executable).parent / "partwise"), *words]
    code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    if code:
        sys.exit(code)


def contrasts(results: Results) -> dict[str, Contrast]:
    """By the variant that is compared with the base."""
    return {contrast.variant: contrast for contrast in analyse(results).contrasts}


def values(results: Results, variant: str) -> list[float]:
    """The metric of every seed."""
    return list(results.values(variant).values())
