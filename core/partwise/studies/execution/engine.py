"""Engines: what they promise, the kind of part that chooses one, and the slot for it.

An engine runs the jobs of a study. Nothing else needs one, so the vocabulary of recipes has no engines.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import NonNegativeInt, PositiveFloat

from partwise.machine import cores
from partwise.parts import Part, Slot

if TYPE_CHECKING:
    from pathlib import Path

    from .jobs import Job, JobProgress, JobResult


MOST_AT_ONCE = 4
"""Runs at once, unless more are asked for: each takes memory."""


class Engine(Protocol):
    """Does jobs, several at once, each in its own process, so that a job that fails harms no other."""

    def run(
        self, jobs: Iterable[Job], place: Path, report: Callable[[JobProgress], None]
    ) -> Generator[JobResult, None, None]:
        """Yields the result of each job once, as the jobs end. What a job writes is then in `place`; if the engine
        works on other machines, the result alone may be all there is.

        The next job is taken from `jobs` only when there is room for it, and in the caller's thread. A failed job
        has a result like any other. Closing the generator ends what is still running.
        """
        ...


class EnginePart(Part):
    """Runs the jobs of a study, on this machine or on many."""

    kind = "engine"

    timeout: PositiveFloat | None = None
    """Seconds of wall time that a run may take; null: no limit. Every engine has this knob and the next two."""
    memory: PositiveFloat | None = None
    """Memory that the process of a run may take, in GB (10^9 bytes); null: no limit. Enforced on Linux."""
    retries: NonNegativeInt = 0
    """How often a run that failed is tried again; a run that diverged is not."""

    def build(self, site: None) -> Engine:
        raise NotImplementedError

    def runs_at_once(self) -> int:
        """Runs that one machine does at the same time; unless overridden, one per core, but no more than 4."""
        return min(cores(), MOST_AT_ONCE)


EngineSlot = Annotated[EnginePart, Slot()]
"""A field that holds an engine."""
