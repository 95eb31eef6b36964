"""Runs and data that move, as a user meets them: a project renamed, a run alone elsewhere, data in a new place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from partwise_cli import samples
from partwise_cli.main import cli

RECIPE = {
    "partwise": 1,
    "name": "tiny",
    "data": {"use": "text", "files": ["songs/row.txt"], "valid": 0.2, "test": 0.2},
    "tokenizer": "char",
    "model": {
        "use": "language_model",
        "width": 8,
        "context": 16,
        "position": "learned",
        "blocks": [{"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}],
    },
    "trainer": {"use": "standard", "steps": 3, "batch_size": 2, "evaluate_every": 2, "evaluate_batches": 1},
}


def partwise(*arguments: Any) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)), prog_name="partwise", env={"COLUMNS": "160"})


def loss(run: Path, *more: Any) -> float:
    answer = partwise("evaluate", run, "--device", "cpu", "--json", *more)
    assert answer.exit_code == 0, answer.output
    return float(json.loads(answer.stdout)["loss"])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a finished run."""
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "project"
    (place / "songs").mkdir(parents=True)
    (place / "songs" / "row.txt").write_text("row, row, row your boat\n" * 40)
    (place / "tiny.json").write_text(json.dumps(RECIPE))
    assert train(place).exit_code == 0
    return place


def train(place: Path, *more: Any) -> Result:
    return partwise("train", place / "tiny.json", "--out", place / "runs" / "a", "--device", "cpu", *more)


def test_a_project_that_is_renamed_works_as_before(project: Path) -> None:
    before = loss(project / "runs" / "a")
    moved = project.rename(project.with_name("renamed"))
    run = moved / "runs" / "a"
    assert loss(run) == before
    assert train(moved).exit_code == 0
    for command in (("generate", run, "--tokens", 3), ("show", run)):
        answer = partwise(*command)
        assert answer.exit_code == 0, answer.output
        assert f"{project}/" not in answer.output


def test_a_run_that_moves_alone_still_finds_its_data(project: Path, tmp_path: Path) -> None:
    before = loss(project / "runs" / "a")
    assert loss((project / "runs" / "a").rename(tmp_path / "alone")) == before


def test_the_new_place_of_data_is_told_with_one_option(project: Path, tmp_path: Path) -> None:
    run = project / "runs" / "a"
    before = loss(run)
    new = tmp_path / "new"
    new.mkdir()
    (project / "songs").rename(new / "songs")
    lost = partwise("evaluate", run)
    assert lost.exit_code == 2
    assert "--data DIR" in lost.output
    assert "row.txt" in lost.output
    assert loss(run, "--data", new) == before
    assert partwise("evaluate", run, "--data", tmp_path / "nowhere").exit_code == 2
    (new / "songs" / "row.txt").write_text("ding dong, the bells\n" * 40)
    other = partwise("evaluate", run, "--data", new)
    assert other.exit_code == 2
    assert "the data has changed" in other.output, "its hash still guards against other data"


def test_a_run_that_was_interrupted_goes_on_with_data_in_a_new_place(project: Path, tmp_path: Path) -> None:
    run, new = project / "runs" / "a", tmp_path / "new"
    before = loss(run)
    (run / "model.safetensors").unlink()
    new.mkdir()
    (project / "songs").rename(new / "songs")
    lost = train(project)
    assert lost.exit_code == 2
    assert "--data DIR" in lost.output
    assert train(project, "--data", new).exit_code == 0
    assert loss(run, "--data", new) == before


def test_absolute_names_move_too(project: Path, tmp_path: Path) -> None:
    named = {**RECIPE, "data": {**RECIPE["data"], "files": [str(project / "songs" / "*.txt")]}}  # type: ignore[dict-item]
    (project / "tiny.json").write_text(json.dumps(named))
    run = tmp_path / "absolute"
    assert partwise("train", project / "tiny.json", "--out", run, "--device", "cpu").exit_code == 0
    before = loss(run)
    assert loss(run, "--data", (project / "songs").rename(tmp_path / "hymns")) == before


def test_a_finished_run_whose_data_are_gone_needs_nothing(project: Path) -> None:
    (project / "songs").rename(project / "hymns")
    again = train(project)
    assert again.exit_code == 0, again.output
    assert "nothing is left to do" in again.stdout
    assert "\nsample\n" in again.stdout
    described = json.loads(train(project, "--json").stdout)
    assert described["was_finished"]
    assert [sample["prompt"] for sample in described["samples"]] == [""]


def test_a_sample_that_fails_changes_no_exit_code(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> Any:
        raise RuntimeError("no words")

    monkeypatch.setattr(samples, "samples", broken)
    again = train(project)
    assert again.exit_code == 0
    assert again.stderr == "the sample failed and is left out from now on: no words\n"
    assert "run:" in again.stdout
    assert json.loads(train(project, "--json").stdout)["samples"] == []


@pytest.mark.parametrize("command", ["check", "train", "evaluate", "ablate"])
def test_every_command_that_needs_data_has_the_option(command: str) -> None:
    assert "--data DIR" in partwise(command, "--help").output


def test_a_study_takes_the_new_place_of_its_data(project: Path, tmp_path: Path) -> None:
    study = {
        "partwise": 1, "name": "widths", "base": "tiny.json", "seeds": 1, "metric": {"batches": 1},
        "factors": {"width": {"at": "model.width", "values": [8, 4]}},
    }  # fmt: skip
    (project / "study.json").write_text(json.dumps(study))
    new = tmp_path / "new"
    new.mkdir()
    (project / "songs").rename(new / "songs")
    assert partwise("ablate", project / "study.json", "--status").exit_code == 2
    answer = partwise("ablate", project / "study.json", "--status", "--data", new, "--json")
    assert answer.exit_code == 0, answer.output
    assert [one["state"] for one in json.loads(answer.stdout)["outcomes"]] == ["waiting", "waiting"]
