"""Where a study keeps its results and its runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from partwise.errors import InputError

from .definition.reading import LoadedStudy

RESULTS, POOL = "results.json", "pool"


@dataclass(frozen=True)
class StudyDirectories:
    """The directories of a study."""

    out: Path
    """The study's own: its results and its report."""

    @property
    def pool(self) -> Path:
        """The runs, each in a directory named by its identity. All studies side by side share it."""
        return self.out.absolute().parent / POOL

    @property
    def results(self) -> Path:
        """The file that holds the results."""
        return self.out / RESULTS


def study_directories(study: LoadedStudy, out: Path | None = None) -> StudyDirectories:
    """Those in `out`, or in studies/NAME.

    Raises:
        InputError: `out` is the pool's directory.
    """
    chosen = out or Path("studies") / study.study.name
    if chosen.name == POOL:
        raise InputError(f"{chosen} is where the runs of studies are kept; name another directory for this one (--out)")
    return StudyDirectories(chosen)


__all__ = ["POOL", "RESULTS", "StudyDirectories", "study_directories"]
