"""`docs/files.md` names every file that there is, and says of the environment what is read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import partwise
from partwise import metric_names
from partwise.runs import Run, layout
from partwise.studies.execution import jobs, reaching
from public_names import TOP

PAGE = (TOP / "docs" / "files.md").read_text()
SOURCES = [path for room in ("core", "plugins", "tools/partwise_cli") for path in (TOP / room).rglob("*.py")]


def named(title: str) -> set[str]:
    """What stands in the first column of a section's tables."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \| ", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("files")
    tiny = {"data": "grammar", "model.width": 8, "trainer.steps": 4, "trainer.checkpoint_every": 2}
    recipe = partwise.change("char-rnn", {"name": "tiny", "trainer.schedule": "constant", **tiny})
    return partwise.train(recipe, out=place / "run", say=None).run


def test_every_file_of_a_run_stands_in_the_table(run: Run) -> None:
    names = named("A run")
    there = {re.sub(r"^checkpoint-\d+$", "checkpoint-STEP/", path.name) for path in run.directory.iterdir()}
    assert there <= names
    constants = {value for name, value in vars(layout).items() if name.isupper() and isinstance(value, str)}
    assert constants - {"optimizer.safetensors", "state.json"} <= names
    for path in (run.directory / "checkpoint-4").iterdir():
        assert path.name in PAGE


def test_a_run_is_read_from_the_files_that_are_said_to_be_enough(run: Run, tmp_path: Path) -> None:
    for name in ("recipe.json", "tokenizer.json", "lock.json", "manifest.json", "model.safetensors"):
        shutil.copy(run.directory / name, tmp_path / name)
    assert partwise.generate(tmp_path, "the ", tokens=4) == partwise.generate(run.directory, "the ", tokens=4)
    partwise.check(tmp_path / "recipe.json")


def test_the_figures_of_a_row_are_named(run: Run) -> None:
    names = named("A run")
    rows = run.rows()
    assert rows[0].keys() > {"step", "valid_loss"}
    assert {key for row in rows for key in row} - {"step"} <= names
    assert {metric_names.VALID_ACCURACY, *metric_names.OF_EVERY_EVALUATION} <= names


def test_the_files_of_a_study_and_of_its_pool_are_named() -> None:
    assert {"study.json", "results.json", "report.html", "tables/*.csv", "pool/"} <= named("A study")
    for name in (jobs.JOB, jobs.RESULT, jobs.OUTPUT, reaching.CLOCK):
        assert f"`{name}`" in PAGE


def test_every_directory_of_the_cache_is_named() -> None:
    text = "".join(path.read_text() for path in SOURCES)
    there = re.findall(r'cache_directory\(\)\)? / "(\w+)"', text)
    assert len(set(there)) >= 5
    assert named("The cache") == {f"{name}/" for name in there}


def test_every_variable_that_is_read_is_in_the_table_and_no_other() -> None:
    text = "".join(path.read_text() for path in SOURCES)
    assert named("Environment variables") - {"PARTWISE_PLUGINS="} == set(re.findall(r'"(PARTWISE_[A-Z_]+)"', text))
