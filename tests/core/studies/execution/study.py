"""A study as a process of its own: `python study.py POOL JOBS.json SLOTS`; JOBS.json holds a list of jobs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from partwise.studies.execution.execute import execute
from partwise.studies.execution.jobs import Job
from partwise_engines.local import LocalEngine

if __name__ == "__main__":
    pool, jobs, slots = sys.argv[1:]
    asked = [Job.model_validate(job) for job in json.loads(Path(jobs).read_text())]
    execute(asked, LocalEngine(int(slots)), Path(pool))
