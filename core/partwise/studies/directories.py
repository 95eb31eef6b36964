"""Where a study keeps its results and its runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from partwise.errors import InputError

from .collect import RESULTS
from .definition.reading import LoadedStudy

POOL = "pool"


@dataclass(frozen=True)
class Places:
    """Where a study keeps what."""

    out: Path
    """The study's directory."""

    @property
    def pool(self) -> Path:
        return self.out.absolute().parent / POOL

    @property
    def results(self) -> Path:
        return self.out / RESULTS


def places(study: LoadedStudy, out: Path | None = None) -> Places:
    """`out`, or studies/NAME.

    Raises:
        InputError: it is the pool's.
    """
    chosen = out or Path("studies") / study.study.name
    if chosen.name == POOL:
        raise InputError(f"{chosen} is where the runs of studies are kept; name another directory for this one (--out)")
    return Places(chosen)
