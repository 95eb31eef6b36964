"""Tiny studies: jobs that train a character model for a few steps, and a watch that notes everything that happens."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from partwise.studies.execution.jobs import OUTPUT, Job, JobProgress, JobResult, write_result
from partwise.studies.execution.measuring import train_and_measure
from partwise.studies.results import Metric

HERE = Path(__file__).parent
LOSS = Metric(name="loss", split="valid", goal="min")


def _make_job(seed: int, mishap: str | None = None, steps: int = 5, trainer: Any = None, **settings: Any) -> Job:
    norm = {"use": "mishaps/mishap", "what": mishap} if mishap else "none"
    node = {"use": "language_model", "width": 16, "depth": 1, "context": 32, "final_norm": norm}
    recipe = {
        "partwise": 1,
        "name": "tiny",
        "seed": seed,
        "data": "copy",
        "tokenizer": "char",
        "model": {**node, "blocks": [{"use": "recurrent", "mixer": "rnn"}]},
        "trainer": {
            "use": "standard",
            "steps": steps,
            "batch_size": 2,
            "evaluate_every": None,
            "evaluate_batches": 1,
            **(trainer or {}),
        },
    }
    identity = f"{mishap or 'fine'}{seed}"
    facts = {"identity": identity, "title": f"{mishap or 'fine'}, seed {seed}", "recipe": recipe, "directory": HERE}
    return Job.model_validate({**facts, "metric": LOSS, **settings})


@pytest.fixture(scope="session")
def make_job() -> Callable[..., Job]:
    """Makes a job that trains a tiny model, to which `mishap` happens."""
    return _make_job


class InThisProcess:
    """An engine without any process but this one: what disturbed jobs are compared with, for the cost of no import."""

    def run(
        self, jobs: Iterable[Job], place: Path, report: Callable[[JobProgress], None]
    ) -> Generator[JobResult, None, None]:
        for job in jobs:
            result = train_and_measure(job, place / job.identity, report)
            write_result(place / job.identity, result)
            yield result


@pytest.fixture(scope="session")
def in_this_process() -> InThisProcess:
    return InThisProcess()


class Notes:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.known: dict[str, JobResult] = {}
        self.events: list[tuple[str, str]] = []
        self.progressed: list[JobProgress] = []
        self.results: list[JobResult] = []

    def note(self, line: str) -> None: ...

    def planned(self, jobs: Sequence[Job], known: Mapping[str, JobResult]) -> None:
        self.known = dict(known)

    def started(self, job: Job) -> None:
        self.events.append(("started", job.identity))

    def progress(self, progress: JobProgress) -> None:
        self.progressed.append(progress)

    def finished(self, job: Job, result: JobResult, again: bool) -> None:
        self.events.append(("again" if again else "finished", job.identity))
        self.results.append(result)

    def of(self, event: str) -> list[str]:
        return [identity for one, identity in self.events if one == event]


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture(scope="session")
def take_notes() -> Callable[[], Notes]:
    """Makes a watch that remembers, for fixtures that outlive a test."""
    return Notes


@pytest.fixture(scope="session")
def starts() -> Callable[[Path], int]:
    """How often the job in a directory was begun, according to what its processes wrote."""

    def count(directory: Path) -> int:
        text = (directory / OUTPUT).read_text() if (directory / OUTPUT).exists() else ""
        return sum(line.startswith("--- ") and ": begun " in line for line in text.splitlines())

    return count


@pytest.fixture(scope="session", autouse=True)
def _surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For the processes that tests start: one cache for all, and the plugin that makes mishaps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARTWISE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE / "installed"), os.environ.get("PYTHONPATH", "")]))
        yield
