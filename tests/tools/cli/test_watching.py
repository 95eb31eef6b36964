"""`partwise runs` and `partwise show`."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from partwise import workflow
from partwise.recipe import load
from partwise.rendering.learning_curve import Curve, in_letters, learning_curves, smoothed
from partwise.runs.manifest import FileEntry, Manifest
from partwise.training import Progress
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


def test_runs_prints_a_line_for_each(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
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


def test_where_letters_have_no_colours_the_curves_are_told_apart_in_ascii(place: Path) -> None:
    shown = partwise("show", place / "done").stdout
    assert shown.isascii()
    assert "++ train (smoothed)   xx valid" in shown


def test_with_colours_the_curves_are_drawn_in_blocks() -> None:
    drawn = in_letters([Curve("a", [(1, 2.0), (2, 1.0)]), Curve("b", [(1, 1.0), (2, 2.0)])], 40, colours=True)
    assert "██" in drawn
    assert "\x1b[" in drawn


def test_what_no_axis_has_room_for_is_left_out_of_a_curve() -> None:
    rows = [{"step": 1, "loss": 1e300}, {"step": 2, "loss": 2.0}, {"step": 3, "loss": None}, {"step": 4, "loss": 1.0}]
    assert learning_curves(rows)[0].points == [(2, 2.0), (4, 1.0)]
    in_letters(learning_curves([{"step": step, "loss": 9e99 * step / 2} for step in (1, 2)]), 60)


def test_a_run_that_cannot_be_written_in_is_shown_without_a_picture(place: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(place / "done", tmp_path / "run", ignore=shutil.ignore_patterns("*.svg"))
    (copy / "learning-curve.svg").mkdir()
    shown = partwise("show", copy)
    assert shown.exit_code == 0
    assert "the picture failed" in shown.stderr
    assert "--svg" in shown.stderr
    assert partwise("show", copy, "--svg", copy / "learning-curve.svg" / "x" / "y.svg").exit_code == 2


def test_showing_a_run_does_not_make_it_younger(place: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(place / "done", tmp_path / "run")
    for file in copy.iterdir():
        os.utime(file, (1e9, 1e9))
    partwise("show", copy)
    assert listed(tmp_path)["run"]["seconds_ago"] > 1e7


def test_a_link_to_a_run_is_not_another_run(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "done", tmp_path / "run")
    (tmp_path / "a-link").symlink_to(tmp_path / "run")
    (tmp_path / "loop").symlink_to(tmp_path)
    found = json.loads(partwise("runs", tmp_path, "--json").stdout)
    assert [run["directory"] for run in found] == [str(tmp_path / "run")]


def test_rows_that_nobody_can_calculate_with_spoil_no_list(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "done", tmp_path / "fine")
    odd = shutil.copytree(place / "deeper" / "halfway", tmp_path / "odd")
    with (odd / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "loss": [1], "valid_loss": {"a": 1}}\n')
    shown = partwise("runs", tmp_path)
    assert shown.exit_code == 0
    assert {name: run["state"] for name, run in listed(tmp_path).items()} == {"fine": "finished", "odd": "damaged"}
    assert partwise("show", odd).exit_code == 1


def test_an_imported_run_is_said_to_be_one(place: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(place / "done", tmp_path / "run", ignore=shutil.ignore_patterns("metrics*", "checkpoint*"))
    lock = json.loads((copy / "lock.json").read_text())
    (copy / "lock.json").write_text(json.dumps({**lock, "imported": {"checkpoint": "gpt2"}}))
    Manifest(copy, {n: FileEntry.of_file(copy / n) for n in ("recipe.json", "tokenizer.json", "lock.json")}).write()
    assert (listed(tmp_path)["run"]["step"], listed(tmp_path)["run"]["steps"]) == (None, None)
    shown = partwise("show", copy).stdout
    assert "finished, imported" in shown
    assert "trained elsewhere" in shown


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
