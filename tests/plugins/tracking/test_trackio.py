"""trackio's database has what was told, once, by the real library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trackio
from trackio.sqlite_storage import SQLiteStorage

import partwise
from partwise import workflow

from .small_runs import interrupted_at, losses, small, train


def tracker(project: str, **knobs: Any) -> str:
    return json.dumps([{"use": "trackio", "project": project, "every": 1, **knobs}])


def logged(project: str, name: str = "run") -> dict[int, dict[str, Any]]:
    rows = SQLiteStorage.get_logs(project, name)
    found = {row["step"]: row for row in rows}
    assert len(found) == len(rows), "no update is told twice"
    return found


def test_it_keeps_choices_and_figures(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = train(tmp_path / "run", tracker("figures", group="small"))
    rows = logged("figures")
    assert {step: row["loss"] for step, row in rows.items()} == pytest.approx(losses(run))
    assert [step for step, row in rows.items() if "valid_loss" in row] == [3, 6]
    config = SQLiteStorage.get_run_config("figures", "run")
    assert config is not None
    assert (config["model"]["width"], config["_Group"]) == (16, "small")
    assert capfd.readouterr().out == ""


def test_a_continued_run_is_one_even_beside_another_of_its_name(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", tracker("continued"), interrupted_at(5))
    assert list(logged("continued")) == [1, 2, 3, 4, 5]
    train(tmp_path / "elsewhere" / "run", tracker("continued", every=4))
    train(tmp_path / "run", tracker("continued"))
    first, other = (json.loads((place / "run" / "trackio.json").read_text())["id"] for place in _places(tmp_path))
    steps = [[row["step"] for row in SQLiteStorage.get_logs("continued", run_id=id)] for id in (first, other)]
    assert steps == [[1, 2, 3, 4, 5, 6], [3, 4, 6]]


def _places(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path, tmp_path / "elsewhere"


def test_figures_of_the_recipes_evaluations_are_told_whenever_they_are_measured(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text('{"sentence_good": "a b", "sentence_bad": "b a"}\n' * 2)
    evaluations = {"pairs": {"use": "minimal_pairs", "file": str(tmp_path / "pairs.jsonl"), "every": 2}}
    recipe = partwise.change(small(tracker("judged", every=5)), {"evaluations": evaluations})
    run = workflow.train(recipe, tmp_path / "run", device="cpu")
    margins = {step: row["pairs.margin"] for step, row in logged("judged").items() if "pairs.margin" in row}
    assert margins == {row["step"]: row["pairs.margin"] for row in run.rows() if "pairs.margin" in row}
    assert list(margins) == [2, 4, 6]


def test_another_run_of_the_process_is_left_alone(tmp_path: Path) -> None:
    other = trackio.init("others", name="mine", auto_log_cpu=False, auto_log_gpu=False)
    other.log({"a": 1.0})
    train(tmp_path / "run", tracker("ours"))
    other.log({"a": 2.0})
    trackio.finish()
    assert [row["a"] for row in logged("others", "mine").values()] == [1.0, 2.0]
