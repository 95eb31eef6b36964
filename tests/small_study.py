"""For tests of studies: a study of a GPT so small that it is trained in no time, and an engine that only pretends."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from partwise.studies.ablation import ablate
from partwise.studies.definition.reading import load_study
from partwise.studies.directories import study_directories
from partwise.studies.execution.engine import EnginePart
from partwise.studies.execution.execute import Unwatched
from partwise.studies.execution.jobs import Job, JobProgress, JobResult
from partwise.studies.planning.plan import make_plan
from partwise.studies.results import Results

TEXT = "the quick brown fox jumps over the lazy dog and runs away from the hounds. " * 60


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, with its own cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def recipe(here: Path) -> dict[str, Any]:
    """Written to base.json; trained on corpus.txt."""
    (here / "corpus.txt").write_text(TEXT)
    block = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}, "feedforward": "gelu"}
    whole = {
        "partwise": 1,
        "name": "small",
        "data": {"use": "text", "files": ["corpus.txt"], "valid": 0.1, "test": 0.1},
        "tokenizer": "char",
        "model": {"use": "language_model", "width": 16, "depth": 2, "context": 16, "blocks": [block]},
        "trainer": {"use": "standard", "steps": 2, "batch_size": 2, "evaluate_every": 1, "evaluate_batches": 1},
    }
    (here / "base.json").write_text(json.dumps(whole, indent=1))
    return whole


def small_study(**changes: Any) -> dict[str, Any]:
    """A study of base.json: two factors, three seeds."""
    whole = {
        "partwise": 1,
        "name": "mine",
        "base": "base.json",
        "factors": {
            "position": {"at": "model.position", "values": ["none", "rope", "alibi"], "baseline": "none"},
            "norm": {"at": ["model.blocks.*.norm", "model.final_norm"], "values": ["rms_norm"]},
        },
        "seeds": 3,
    }
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


Write = Callable[..., Path]


@pytest.fixture
def study(here: Path, recipe: dict[str, Any]) -> Write:
    """Writes the small study with changes to mine.json, a line to a key, and returns its path."""

    def write(**changes: Any) -> Path:
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in small_study(**changes).items()]
        path = here / "mine.json"
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        return path

    return write


class Pretending(EnginePart):
    """An engine that trains nothing: each job has the result that `outcome` gives it."""

    name = "pretending"

    def build(self, site: None) -> PretendedEngine:
        return PretendedEngine()


class PretendedEngine:
    """Keeps in a class variable which jobs it did, and in which order."""

    done: list[Job] = []  # noqa: RUF012  (shared on purpose: the part builds a new engine each time)
    outcome: Callable[[Job], dict[str, Any]]
    stop_after: int | None = None

    def run(
        self, jobs: Iterable[Job], place: Path, report: Callable[[JobProgress], None]
    ) -> Generator[JobResult, None, None]:
        for job in jobs:
            if len(self.done) == type(self).stop_after:
                raise KeyboardInterrupt
            self.done.append(job)
            yield JobResult(identity=job.identity, attempts=job.attempt, seconds=1.0, **type(self).outcome(job))


def better_with_rope(job: Job) -> dict[str, Any]:
    """Some spread between seeds, and rope better by half a nat."""
    rope = job.recipe["model"]["position"]["use"] == "rope"
    seed = job.recipe["seed"]
    return {"state": "done", "metric": 2.0 + 0.01 * seed - 0.5 * rope + 0.001 * (seed % 3) * rope}


@pytest.fixture
def engine() -> type[PretendedEngine]:
    """What the pretended engine did, and what it will answer; `Pretending()` is the part."""
    PretendedEngine.done = []
    PretendedEngine.outcome = staticmethod(better_with_rope)
    PretendedEngine.stop_after = None
    return PretendedEngine


@pytest.fixture
def pretending() -> EnginePart:
    """The part of the pretended engine."""
    return Pretending()


class Listener(Unwatched):
    """A watch that keeps what is said about the study."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)


def run_study(path: Path, engine: EnginePart, **more: Any) -> Results:
    """The study in a file, run on this engine, with `ablate`'s other arguments."""
    loaded = load_study(path)
    return ablate(replace(make_plan(loaded), engine=engine), study_directories(loaded), **more)
