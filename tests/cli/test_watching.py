"""`partwise runs` and `partwise show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from partwise import workflow
from partwise.interfaces import Progress
from partwise.learning_curve import smoothed
from partwise.recipe import load
from partwise_cli.main import cli
from partwise_cli.runs import age

SMALL = (
    "model.width=16",
    "model.context=16",
    "trainer.steps=6",
    "trainer.batch_size=2",
    "trainer.schedule=constant",
    "trainer.evaluate_every=3",
    "trainer.evaluate_batches=1",
    "trainer.checkpoint_every=2",
)


def partwise(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def train(place: Path, stop_at: int | None = None) -> Path:
    def report(progress: Progress) -> None:
        if progress.step == stop_at:
            raise RuntimeError("the machine went off")

    loaded = load("char-rnn", SMALL)
    if stop_at is None:
        return workflow.train(loaded, place, device="cpu").directory
    with pytest.raises(RuntimeError):
        workflow.train(loaded, place, device="cpu", report=report)
    return place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a finished run, one that was stopped and one that is damaged."""
    place = tmp_path_factory.mktemp("runs")
    train(place / "done")
    train(place / "deeper" / "halfway", stop_at=4)
    (train(place / "broken") / "lock.json").write_text("{}")
    return place


def listed(place: Path) -> dict[str, Any]:
    return {Path(run["directory"]).name: run for run in json.loads(partwise("runs", place, "--json").stdout)}


def test_runs_lists_each_run_with_its_state_and_newest_figures(place: Path) -> None:
    runs = listed(place)
    assert {name: run["state"] for name, run in runs.items()} == {
        "done": "finished",
        "halfway": "stopped",
        "broken": "damaged",
    }
    rows = [json.loads(line) for line in (place / "done" / "metrics.jsonl").read_text().splitlines()]
    assert (runs["done"]["step"], runs["done"]["steps"], runs["done"]["seed"]) == (6, 6, 0)
    assert runs["done"]["loss"] == rows[-1]["valid_loss"]
    assert runs["done"]["bits_per_byte"] == rows[-1]["valid_bits_per_byte"]
    assert runs["halfway"]["step"] == 4
    assert "lock.json" in runs["broken"]["problem"]


def test_runs_prints_a_line_for_each(place: Path) -> None:
    lines = partwise("runs", place).stdout.splitlines()
    assert lines[0].split() == ["run", "recipe", "seed", "state", "step", "valid", "loss", "bits", "per", "byte", "age"]
    assert len(lines) == 4
    assert any("done" in line and "finished" in line and "6 / 6" in line for line in lines)


def test_runs_says_how_to_make_one_where_there_is_none(tmp_path: Path) -> None:
    assert "partwise train" in partwise("runs", tmp_path).stdout
    (tmp_path / "file").write_text("")
    assert partwise("runs", tmp_path / "file").exit_code == 2


def test_show_draws_the_curve_in_the_terminal_and_as_a_picture(place: Path) -> None:
    shown = partwise("show", place / "done")
    assert shown.exit_code == 0
    assert "finished, step 6 of 6" in shown.stdout
    assert "train (smoothed)" in shown.stdout
    drawing = ElementTree.parse(place / "done" / "learning-curve.svg")
    lines = [e for e in drawing.iter("{http://www.w3.org/2000/svg}polyline") if "line" in e.get("class", "")]
    assert len(lines) == 4  # two curves, and a sample of each in the legend
    assert max(len((line.get("points") or "").split()) for line in lines) == 6


def test_show_gives_every_row_as_json(place: Path) -> None:
    shown = json.loads(partwise("show", place / "done", "--json").stdout)
    assert [row["step"] for row in shown["rows"]] == [0, 1, 2, 3, 4, 5, 6]
    assert shown["state"] == "finished"


def test_show_of_a_run_that_has_made_no_update_draws_nothing(tmp_path: Path) -> None:
    directory = train(tmp_path / "run", stop_at=1)
    (directory / "metrics.jsonl").write_text("")
    shown = partwise("show", directory)
    assert shown.exit_code == 0
    assert "no curve" in shown.stdout
    assert not (directory / "learning-curve.svg").exists()


def test_smoothing_averages_steps_and_losses_side_by_side() -> None:
    assert smoothed([(1, 4.0), (2, 2.0), (3, 1.0)], 2) == [(1.5, 3.0), (3.0, 1.0)]


def test_ages_are_read_at_a_glance() -> None:
    assert [age(seconds) for seconds in (3.2, 61, 7300, 200_000)] == ["3 s", "1 min", "2 h", "2 d"]
