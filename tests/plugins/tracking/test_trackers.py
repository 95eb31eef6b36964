"""Trackers are told everything, by the real libraries, and can harm no training."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import pytest
from mlflow.tracking import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import partwise
from partwise import workflow
from partwise.recipe import load
from partwise.runs import Run
from partwise.training import Progress
from partwise.training.tracking import notifying
from partwise_tracking.mlflow_runs import TIMEOUTS

from .small_runs import interrupted_at, losses, train

# MLflow's own use of SQLAlchemy, which is none of ours.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """MLflow sets up its database aloud."""
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)


def test_tensorboard_shows_every_update_and_evaluation(tmp_path: Path) -> None:
    run = train(tmp_path / "run", '["tensorboard"]')
    events = EventAccumulator(str(run.directory / "tensorboard")).Reload()
    assert {event.step: event.value for event in events.Scalars("loss")} == pytest.approx(losses(run), rel=1e-6)
    assert [event.step for event in events.Scalars("valid_loss")] == [3, 6]
    assert '"char-rnn"' in events.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0].decode()


def test_tensorboard_shows_a_continued_run_as_one(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", '["tensorboard"]', interrupted_at(5))
    run = train(tmp_path / "run", '["tensorboard"]')
    events = EventAccumulator(str(run.directory / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4, 5, 6]


def test_tensorboard_gathers_runs_in_a_directory_and_skips_as_told(tmp_path: Path) -> None:
    train(tmp_path / "run", f'[{{"use": "tensorboard", "directory": "{tmp_path / "board"}", "every": 4}}]')
    events = EventAccumulator(str(tmp_path / "board" / "run")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [3, 4, 6]


def mlflow_in(tmp_path: Path, every: int = 1) -> tuple[str, MlflowClient]:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return f'[{{"use": "mlflow", "uri": "{uri}", "every": {every}}}]', MlflowClient(tracking_uri=uri)


def only_run(client: MlflowClient) -> Any:
    experiment = client.get_experiment_by_name("partwise")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    return found


def test_mlflow_keeps_choices_figures_and_the_end(tmp_path: Path) -> None:
    trackers, client = mlflow_in(tmp_path)
    run = train(tmp_path / "run", trackers)
    found = only_run(client)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "run"
    assert found.data.params["model.width"] == "16"
    assert found.data.params["model.blocks.0.mixer.use"] == "rnn"
    history = client.get_metric_history(found.info.run_id, "loss")
    assert {metric.step: metric.value for metric in history} == pytest.approx(losses(run))


def test_mlflow_shows_a_continued_run_as_one_and_tells_nothing_twice(tmp_path: Path) -> None:
    trackers, client = mlflow_in(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", trackers, interrupted_at(5))
    assert only_run(client).info.status == "KILLED"
    train(tmp_path / "run", trackers)
    found = only_run(client)
    assert found.info.status == "FINISHED"
    steps = [metric.step for metric in client.get_metric_history(found.info.run_id, "loss")]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_an_mlflow_server_that_is_away_is_given_up_after_a_few_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    class Away(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal asked
            asked += 1
            self.send_error(503)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")  # the user's own settings count
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    before, said = dict(os.environ), list[str]()
    with ThreadingHTTPServer(("127.0.0.1", 0), Away) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_port}"
        run = train(tmp_path / "run", json.dumps([{"use": "mlflow", "uri": uri}]), say=said.append)
        server.shutdown()
    assert asked == 1 + int(TIMEOUTS["MLFLOW_HTTP_REQUEST_MAX_RETRIES"])
    assert dict(os.environ) == before
    assert run.finished
    assert [line for line in said if line.startswith("tracker mlflow failed and is left out")]


class Broken:
    """A tracker whose server goes away at some moment."""

    def __init__(self, moment: str) -> None:
        self.moment = moment
        self.heard: list[str] = []

    def _hear(self, moment: str) -> None:
        self.heard.append(moment)
        if moment == self.moment:
            raise ConnectionError("the server is away")

    def begin(self, run: Run, step: int) -> None:
        self._hear("begin")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._hear("log")

    def end(self, state: Literal["finished", "interrupted", "failed"]) -> None:
        self._hear("end")


@pytest.mark.parametrize("moment", ["begin", "log", "end"])
def test_a_tracker_that_fails_is_left_alone_and_training_goes_on(moment: str, tmp_path: Path) -> None:
    tracker, sound, said, steps = Broken(moment), Broken("never"), list[str](), list[int]()
    run = Run.create(tmp_path / "run", {"name": "x"}, {}, {})
    report = lambda progress: steps.append(progress.step)  # noqa: E731
    with notifying([("broken", tracker), ("sound", sound)], run, report, said.append) as reported:
        for step in (1, 2):
            reported(Progress(step, 2, {"loss": 1.0, "state": "fine"}))
    assert steps == [1, 2]
    assert said == ["tracker broken failed and is left out from now on: the server is away"]
    assert tracker.heard[-1] == moment
    assert sound.heard == ["begin", "log", "log", "end"]


def test_trackers_change_neither_the_fingerprint_nor_what_is_trained(tmp_path: Path) -> None:
    plain, watched = load("char-rnn"), load("char-rnn", ['trackers=["tensorboard"]'])
    assert plain.recipe.fingerprint() == watched.recipe.fingerprint()
    a, b = train(tmp_path / "a", "[]"), train(tmp_path / "b", '["tensorboard"]')
    assert (a.directory / "metrics.jsonl").read_bytes() == (b.directory / "metrics.jsonl").read_bytes()
    assert (a.directory / "model.safetensors").read_bytes() == (b.directory / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["mlflow", "tensorboard", "trackio", "wandb"])
def test_a_tracker_whose_package_is_missing_says_how_to_get_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("partwise_tracking.parts.find_spec", lambda name: None)
    loaded = load("char-rnn", [f'trackers=["{name}"]'])
    with pytest.raises(partwise.RecipeError, match=rf"pip install 'partwise\[{name}\]'"):
        workflow.check(loaded)
