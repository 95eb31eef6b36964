"""Runs of an MLflow server or database, through its client (not its global state, which other code may use)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from partwise.metric_names import LOSS
from partwise.runs import Run
from partwise.storage import read_json, write_json

from .frequency import is_due

FILE = "mlflow.json"
"""In the run's directory: which of MLflow's runs it is."""
LONGEST_PARAMETER, MOST_PARAMETERS = 500, 100
TIMEOUTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
"""MLflow's own settings, where the user sets none: a server that does not answer delays training by seconds. By default
it would be minutes, or a quarter of an hour if it accepts what it is sent and never replies."""
_STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


class MlflowTracker:
    """One run of MLflow per run: the recipe's choices as parameters, every figure as a metric."""

    def __init__(self, uri: str | None, experiment: str, every: int) -> None:
        self.uri = uri
        self.experiment = experiment
        self.every = every

    def begin(self, run: Run, step: int) -> None:
        with _short_timeouts():
            self.client = MlflowClient(tracking_uri=self.uri)
            self.id = self._resumed(run) or self._created(run)
            # A resumed run repeats the updates since its checkpoint, to the bit.
            known = self.client.get_metric_history(self.id, LOSS)
        self.last_logged = max((metric.step for metric in known), default=0)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if step > self.last_logged and is_due(step, metrics, self.every):
            now = int(time.time() * 1000)
            with _short_timeouts():
                self.client.log_batch(self.id, [Metric(name, value, now, step) for name, value in metrics.items()])

    def end(self, state: Literal["finished", "interrupted", "failed"]) -> None:
        with _short_timeouts():
            self.client.set_terminated(self.id, _STATUS[state])

    def _resumed(self, run: Run) -> str | None:
        """Id of the MLflow run that this run had before it was interrupted."""
        if not (run.directory / FILE).is_file():
            return None
        known = read_json(run.directory / FILE).get("run_id")
        try:
            self.client.update_run(str(known), status="RUNNING")
        except MlflowException:  # another server, or deleted there
            return None
        return str(known)

    def _created(self, run: Run) -> str:
        experiment = self.client.get_experiment_by_name(self.experiment)
        place = experiment.experiment_id if experiment else self.client.create_experiment(self.experiment)
        started = self.client.create_run(place, run_name=run.directory.name)
        id = str(started.info.run_id)
        parameters = [Param(path, value[:LONGEST_PARAMETER]) for path, value in _parameters(run.recipe)]
        for start in range(0, len(parameters), MOST_PARAMETERS):
            self.client.log_batch(id, params=parameters[start : start + MOST_PARAMETERS])
        write_json(run.directory / FILE, {"uri": self.uri, "experiment": self.experiment, "run_id": id})
        return id


@contextmanager
def _short_timeouts() -> Iterator[None]:
    """Inside it MLflow gives up after `TIMEOUTS`: its client reads these settings from the environment only."""
    ours = {name: value for name, value in TIMEOUTS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


def _parameters(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """A resolved recipe as parameters: `model.blocks.0.mixer.heads`, "6"."""
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from _parameters(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple) and value:
        for index, one in enumerate(value):
            yield from _parameters(one, f"{path}.{index}")
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)
