"""Small studies with sizes, texts and several metrics that are trained: in this process, and killed in another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import partwise
from partwise import workflow
from partwise.studies.execution.engine import EnginePart
from partwise.studies.execution.jobs import Job, JobProgress, JobResult, write_result
from partwise.studies.execution.measuring import train_and_measure
from partwise.studies.results import Outcome, Results
from partwise_cli.main import cli

from ...small_study import run_study
from .execution.test_killed import wait_until

ROPE = {"position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"}}
SIZES = {"at": "model.width", "values": [8, 16], "tokens_per_parameter": 0.1, "rates": {"power": -0.3}}
SECONDARY: dict[str, Any] = {
    "tested": {"name": "loss", "split": "test"},
    "trained": {"name": "loss", "split": "train", "batches": 2},
    "right": {"name": "accuracy", "batches": 2},
    "elsewhere": {"name": "else.bits_per_byte"},
}


class Here(EnginePart):
    """Trains in this process."""

    name = "here"

    def build(self, site: None) -> InThisProcess:
        return InThisProcess()


class InThisProcess:
    def run(
        self, jobs: Iterable[Job], place: Path, report: Callable[[JobProgress], None]
    ) -> Generator[JobResult, None, None]:
        for job in jobs:
            result = train_and_measure(job, place / job.identity, report)
            write_result(place / job.identity, result)
            yield result


@pytest.fixture
def judged(here: Path, recipe: dict[str, Any]) -> str:
    """A base with an evaluation."""
    (here / "else.txt").write_text("the dog runs over the fox and the hounds. " * 5)
    evaluations = {"else": {"use": "text", "files": ["else.txt"]}}
    (here / "judged.json").write_text(json.dumps({**recipe, "evaluations": evaluations}))
    return "judged.json"


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Path]:
    """The directories with which a function of `workflow` was called."""
    calls: list[Path] = []
    really = getattr(workflow, name)

    def call(*given: Any, **more: Any) -> Any:
        calls.append(next(one for one in given if isinstance(one, Path)))
        return really(*given, **more)

    monkeypatch.setattr(workflow, name, call)
    return calls


def directory(here: Path, run: Outcome) -> Path:
    return here / "studies" / "pool" / run.identity


def test_a_ladder_is_trained_and_every_run_is_measured_by_all_metrics_in_one_opening(
    study, judged: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = counted(monkeypatch, "reopen")
    path = study(base=judged, factors=ROPE, sizes=SIZES, secondary=SECONDARY)
    results = run_study(path, Here())
    assert {one.state for one in results.outcomes} == {"done"}
    assert len(opened) == len(set(opened)) == len(results.outcomes) == 2 * 2 * 3
    by_size = {one.key: one for one in results.variants}
    for one in results.outcomes:
        run, variant = directory(here, one), by_size[one.key]
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        assert rows[-1]["step"] == variant.scaled["trainer.steps"] == round(variant.tokens / (2 * 16))
    last = results.outcomes[-1]
    run = directory(here, last)
    found = {name: figure.value for name, figure in last.secondary.items()}
    assert found["tested"] == partwise.evaluate(run, split="test").loss
    assert found["trained"] == partwise.evaluate(run, split="train", limit=2).loss
    assert found["right"] == partwise.evaluate(run, split="valid", limit=2, accuracy=True).accuracy
    judgement = partwise.judge(run, "else", say=None)["else.bits_per_byte"]
    assert found["elsewhere"] == judgement.figure.value
    assert results.secondary["elsewhere"].goal == "min"

    trained = counted(monkeypatch, "train")
    study(base=judged, factors=ROPE, sizes=SIZES, secondary={"tested": SECONDARY["tested"]})
    fewer = run_study(path, Here())
    assert not trained, "whoever asks for less has it already"
    assert all(set(one.secondary) == {"tested"} for one in fewer.outcomes)
    study(base=judged, factors=ROPE, sizes=SIZES, secondary={"short": {"name": "loss", "context": 8}})
    more = run_study(path, Here())
    assert len(trained) == 12
    for before, after in zip(results.outcomes, more.outcomes, strict=True):
        assert (before.identity, before.metric, before.curve) == (after.identity, after.metric, after.curve)
        assert after.secondary["short"].value != after.metric


def test_a_run_of_the_pool_is_judged_by_the_evaluation_of_the_study_that_asks(
    study, judged: str, here: Path, recipe: dict[str, Any]
) -> None:
    asked = {"metric": {"name": "else.bits_per_byte"}, "factors": ROPE, "seeds": [0]}
    first = run_study(study(base=judged, **asked), Here())
    (here / "deeper").mkdir()
    (here / "deeper" / "else.txt").write_text("quick brown quick brown. " * 9)
    other = {**recipe, "evaluations": {"else": {"use": "text", "files": ["deeper/else.txt"]}}}
    (here / "other.json").write_text(json.dumps(other))
    second = run_study(study(name="other", base="other.json", **asked), Here())
    for one, two in zip(first.outcomes, second.outcomes, strict=True):
        assert one.identity == two.identity, "evaluations decide nothing that is trained"
        assert one.metric != two.metric


def test_what_a_secondary_metric_cannot_measure_takes_nothing_from_the_primary_one(
    study, judged: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from partwise import InputError
    from partwise.workflow import evaluations

    def breaks(*given: Any) -> Any:
        raise InputError("its tool is not installed\nand more")

    path = study(base=judged, factors=ROPE, seeds=[0], secondary={"elsewhere": SECONDARY["elsewhere"]})
    with monkeypatch.context() as broken:
        broken.setattr(evaluations, "figures_of", breaks)
        results = run_study(path, Here())
    assert {one.state for one in results.outcomes} == {"done"}
    assert {one.unmeasured["elsewhere"] for one in results.outcomes} == {"its tool is not installed"}
    slices = results.at(metric="elsewhere").outcomes
    assert {(one.state, one.error) for one in slices} == {("failed", "its tool is not installed")}
    assert run_study(path, Here()).outcomes == results.outcomes, "which is not tried again unasked"
    mended = run_study(path, Here(), retry_failed=True)
    assert all(one.secondary["elsewhere"].value and not one.unmeasured for one in mended.outcomes)
    assert [one.metric for one in mended.outcomes] == [one.metric for one in results.outcomes]


@pytest.mark.exhaustive
@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX systems do")
def test_a_ladder_that_is_killed_goes_on_without_training_anything_twice(study, here: Path) -> None:
    study(factors=ROPE, sizes={**SIZES, "tokens_per_parameter": 1}, secondary={"tested": SECONDARY["tested"]},
          run={"use": "local", "slots": 2})  # fmt: skip
    pool = here / "studies" / "pool"
    for enough in (1, 4, 8):
        killed = subprocess.Popen([sys.executable, "-m", "partwise_cli", "ablate", "mine.json"], start_new_session=True)
        try:
            wait_until(lambda: len(list(pool.glob("*/result.json"))) >= enough)  # noqa: B023
        finally:
            os.killpg(killed.pid, signal.SIGKILL)
            killed.wait()
    done = {path: path.stat().st_mtime_ns for path in pool.glob("*/model.safetensors")}
    ended = CliRunner().invoke(cli, ["ablate", "mine.json"], prog_name="partwise")
    assert ended.exit_code == 0, ended.output
    results = Results.load(here / "studies" / "mine" / "results.json")
    assert {(one.state, *one.secondary) for one in results.outcomes} == {("done", "tested")}
    assert len(results.outcomes) == 2 * 2 * 3
    assert len(done) >= 8
    assert {path: path.stat().st_mtime_ns for path in done} == done, "nothing was trained again"
