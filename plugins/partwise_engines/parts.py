"""The built-in engines: on this machine, on a Dask cluster, and on a Slurm cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, NonNegativeInt, PositiveInt

from partwise import Part
from partwise.studies import EnginePart

if TYPE_CHECKING:
    from partwise.studies import Engine


class Local(EnginePart):
    """Does runs on this machine, several at once, each in its own process with its share of the cores."""

    name = "local"

    slots: PositiveInt | None = None
    """Runs at once; null: one per core, but no more than 4. (Small models gain more from slots than from threads.)"""

    def build(self, site: None) -> Engine:
        from .local import LocalEngine

        return LocalEngine(self.runs_at_once())

    def runs_at_once(self) -> int:
        return self.slots or super().runs_at_once()

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls()
        yield cls(slots=2, timeout=600.0, memory=4.0, retries=1)


class Dask(EnginePart):
    """Does runs on the workers of a running Dask scheduler, on any number of machines; all need partwise[dask]."""

    name = "dask"
    known_failures: ClassVar[Mapping[str, str]] = {
        "every_knob_makes_a_difference[address]": "there is no other scheduler to try",
    }

    address: Annotated[str, Field(min_length=1)]
    """Address of the scheduler: `tcp://10.0.0.5:8786`."""
    slots: PositiveInt = 1
    """Runs at once on each worker. They share its threads."""

    def build(self, site: None) -> Engine:
        from .dask_engine import DaskEngine

        return DaskEngine(self.address, self.slots)

    def runs_at_once(self) -> int:
        return self.slots

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(address="tcp://127.0.0.1:8786", slots=2, timeout=600.0, memory=4.0, retries=1)


class Slurm(EnginePart):
    """Does each run as a job of a Slurm cluster, whose nodes see the study's directory; needs partwise[slurm]."""

    name = "slurm"

    partition: Annotated[str, Field(min_length=1)] | None = None
    """The partition that jobs are submitted to; null: the cluster's default."""
    time: PositiveInt = 60
    """Minutes that a job may take. What it has trained by then is kept, and a further try goes on from there."""
    gpus: NonNegativeInt = 0
    """GPUs of a job: 1 for a model on a GPU, since a run uses one."""
    cpus: PositiveInt = 1
    """CPU cores of a job."""
    setup: tuple[str, ...] = ()
    """Lines of shell that a job begins with: `module load cuda`, `source env/bin/activate`."""
    slots: PositiveInt = 16
    """Jobs that are submitted at once."""

    def build(self, site: None) -> Engine:
        from .slurm_engine import SlurmEngine

        room = None if self.memory is None else self.memory + ROOM
        return SlurmEngine(self.slots, self.partition, self.time, self.gpus, self.cpus, room, self.setup)

    def runs_at_once(self) -> int:
        return self.slots

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls()
        yield cls(partition="gpu", time=30, gpus=1, cpus=4, setup=("module load cuda",), slots=2, timeout=600.0,
                  memory=4.0, retries=1)  # fmt: skip


ROOM = 2.0
"""GB that a Slurm job asks for beside the memory of its run: for the process that watches over it."""
PARTS: tuple[type[Part], ...] = (Dask, Local, Slurm)
