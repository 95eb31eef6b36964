"""What wandb is told stands in the files that it keeps offline; without a network a run is logged there."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from wandb.errors import CommError
from wandb.proto import wandb_internal_pb2

from .small_runs import interrupted_at, losses, train

BLOCK = 32768
"""Bytes; LevelDB's log format, which wandb's files have, fits its records into blocks."""
HEAD = struct.Struct("<IHB")
WHOLE, LAST = 1, 4


def records(path: Path) -> Iterator[Any]:
    """The records in one of wandb's files."""
    content, place, begun = path.read_bytes(), 7, b""
    while place + HEAD.size <= len(content):
        room = BLOCK - place % BLOCK
        if room < HEAD.size:
            place += room
            continue
        _, length, kind = HEAD.unpack_from(content, place)
        begun += content[place + HEAD.size : place + HEAD.size + length]
        place += HEAD.size + length
        if kind in (WHOLE, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(begun)
            yield record
            begun = b""


def told(directory: Path) -> tuple[list[Any], list[dict[str, Any]], list[int]]:
    """The runs, the figures and the exit codes in the offline files of a run, in order."""
    files = sorted((directory / "wandb").glob("offline-run-*/*.wandb"))
    late = time.monotonic() + 30
    while not all(any(one.HasField("exit") for one in records(path)) for path in files):
        assert time.monotonic() < late, "wandb's own process writes the end of a run a moment after it"
        time.sleep(0.05)
    found = [record for path in files for record in records(path)]
    figures = [
        {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in found
        if record.HasField("history")
    ]
    return (
        [record.run for record in found if record.HasField("run")],
        figures,
        [record.exit.exit_code for record in found if record.HasField("exit")],
    )


def tracker(**knobs: Any) -> str:
    return json.dumps([{"use": "wandb", "mode": "offline", "every": 1, **knobs}])


def test_the_offline_file_has_choices_figures_and_the_end(tmp_path: Path) -> None:
    run = train(tmp_path / "run", tracker(project="p", group="g", tags=["a", "b"]))
    (begun, *_), figures, ends = told(run.directory)
    assert (begun.project, begun.run_group, list(begun.tags), begun.display_name) == ("p", "g", ["a", "b"], "run")
    config = {one.key: json.loads(one.value_json) for one in begun.config.update}
    assert config["model"]["width"] == 16
    assert {row["_step"]: row["loss"] for row in figures} == pytest.approx(losses(run))
    assert [row["_step"] for row in figures if "valid_loss" in row] == [3, 6]
    assert ends == [0]


def test_a_continued_run_is_one_and_is_told_nothing_twice(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", tracker(), interrupted_at(5))
    run = train(tmp_path / "run", tracker())
    runs, figures, ends = told(run.directory)
    assert len({one.run_id for one in runs}) == 1
    assert [row["_step"] for row in figures] == [1, 2, 3, 4, 5, 6]
    assert ends == [255, 0]


def test_a_server_that_is_away_is_given_up_and_the_run_logged_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init = wandb.init

    def away(mode: str, **settings: Any) -> Any:
        if mode == "online":
            raise CommError("the server is away")
        return init(mode=mode, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(wandb, "init", away)
    monkeypatch.setattr(wandb, "login", lambda verify, prompt: True)
    with pytest.warns(UserWarning, match=r"this run is logged offline \('wandb sync .*the server is away"):
        run = train(tmp_path / "run", tracker(mode="online"))
    (begun, *_), figures, _ = told(run.directory)
    assert [row["_step"] for row in figures] == [1, 2, 3, 4, 5, 6]
    assert begun.run_id == json.loads((run.directory / "wandb.json").read_text())["id"]


def test_nobody_is_asked_for_a_key_while_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb, "login", lambda verify, prompt: prompt)
    said: list[str] = []
    assert train(tmp_path / "run", tracker(mode="online"), say=said.append).finished
    assert [line for line in said if line.startswith("tracker wandb failed and is left out from now on: nobody is log")]
