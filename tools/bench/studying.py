"""The study row: the shipped study of attention's ladder, cut short, in two slots and one run at a time."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from measuring import Measure, one_by_one

from partwise.parts import resolve_part
from partwise.studies.definition.reading import load_study
from partwise.studies.execution.engine import EnginePart
from partwise.studies.execution.execute import execute
from partwise.studies.execution.jobs import Job
from partwise.studies.planning.plan import make_plan

STEPS = 750
"""Updates of a run: half of the real study's, so that starting processes weighs more here than there."""


def slots() -> Measure:
    """Runs per second, from the start of the first worker to the end of the last: with two slots that have half of
    the cores each; and one after the other, each with all of the cores."""
    jobs = [_shortened(job) for job in make_plan(load_study("attention-ladder"), 1).jobs()]
    return one_by_one(lambda: (_rate(jobs, 2), _rate(jobs, 1)))


def _shortened(job: Job) -> Job:
    trainer = {**job.recipe["trainer"], "steps": STEPS}
    return job.model_copy(update={"recipe": {**job.recipe, "trainer": trainer}})


def _rate(jobs: list[Job], at_once: int) -> float:
    engine = resolve_part(EnginePart, {"use": "local", "slots": at_once})
    with tempfile.TemporaryDirectory() as pool:
        begun = time.perf_counter()
        results = execute(jobs, engine.assemble(None), Path(pool))
        seconds = time.perf_counter() - begun
    assert {result.state for result in results.values()} == {"done"}, results
    return len(jobs) / seconds
