"""A finished run goes on: an honest segment more, of which every bit is that of the longer recipe trained at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from partwise import InputError, WorkError
from partwise.recipe import LoadedRecipe, load
from partwise.runs import Run, going_on
from partwise.runs.manifest import Manifest
from partwise.training import Progress
from partwise.workflow import continue_run, train

BLOCK = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}, "feedforward": "gelu"}
MODEL = {"use": "language_model", "width": 16, "context": 16, "depth": 1, "dropout": 0.2, "blocks": [BLOCK]}
TRAINER = {
    "use": "standard", "steps": 5, "batch_size": 4, "evaluate_every": 2, "evaluate_batches": 2, "checkpoint_every": 2,
}  # fmt: skip


def recipe(place: Path, *changes: str) -> LoadedRecipe:
    place.mkdir(exist_ok=True)
    (place / "own.txt").write_text("the cat sat on the mat. a dog ran to the cat.\n" * 40)
    data = {"use": "text", "files": ["own.txt"], "valid": 0.2, "test": 0.1}
    whole = {"partwise": 1, "name": "long", "data": data, "tokenizer": "char", "model": MODEL, "trainer": TRAINER}
    (place / "recipe.json").write_text(json.dumps(whole))
    return load(place / "recipe.json", changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with data, a recipe and its finished run."""
    place = tmp_path_factory.mktemp("finished")
    train(recipe(place), place / "run", device="cpu")
    return place


@pytest.fixture
def place(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "place")
    return tmp_path / "place"


class KilledError(Exception):
    pass


def killed_after(step: int) -> Any:
    def report(progress: Progress) -> None:
        if progress.step == step:
            raise KilledError

    return report


def weights(run: Run) -> bytes:
    return (run.directory / "model.safetensors").read_bytes()


@pytest.mark.parametrize("schedule", ["anew", "on"])
def test_it_ends_with_the_bits_of_its_new_recipe_trained_at_once(place: Path, tmp_path: Path, schedule: Any) -> None:
    run = continue_run(place / "run", 4, schedule, device="cpu")
    assert run.recipe["trainer"]["steps"] == 9
    loaded = recipe(place, f"trainer={json.dumps(run.recipe['trainer'])}")
    assert loaded.recipe.resolved() == run.recipe
    at_once = train(loaded, tmp_path / "once", device="cpu")
    assert weights(run) == weights(at_once)
    rates = [row["lr"] for row in run.rows() if "lr" in row]
    assert rates == [row["lr"] for row in at_once.rows() if "lr" in row]
    assert (rates[5] == rates[0]) is (schedule == "anew")
    assert [row["step"] for row in run.rows()] == list(range(10))


def test_a_schedule_that_goes_on_has_the_rates_of_a_longer_one(place: Path) -> None:
    run = continue_run(place / "run", 5, "on", device="cpu")
    longer = train(recipe(place, "trainer.steps=10"), place / "longer", device="cpu")
    rates = [[row["lr"] for row in one.rows() if "lr" in row] for one in (run, longer)]
    assert rates[0][5:] == rates[1][5:]
    assert rates[0][4] < rates[1][4]  # the first segment ended as it did


def test_killed_in_the_middle_the_same_command_ends_with_the_same_bits(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path / "other")
    whole = continue_run(place / "run", 4, device="cpu")
    with pytest.raises(KilledError):
        continue_run(tmp_path / "other" / "run", 4, device="cpu", report=killed_after(7))
    run = continue_run(tmp_path / "other" / "run", 4, device="cpu")
    assert weights(run) == weights(whole)
    assert run.rows() == whole.rows()
    assert continue_run(run.directory, device="cpu").step == 9  # nothing is left to do


def test_the_manifest_lists_what_the_run_was_and_segments_follow_one_another(place: Path) -> None:
    first = Manifest.read(place / "run").run
    continue_run(place / "run", 4, device="cpu")
    second = Manifest.read(place / "run").run
    run = continue_run(place / "run", 3, "on", device="cpu")
    manifest = Manifest.read(place / "run")
    assert [(one.steps, one.run) for one in manifest.segments] == [(5, first), (9, second)]
    assert len({first, second, manifest.run}) == 3
    assert run.recipe["trainer"]["schedule"]["steps"] == [5, 4]
    assert [one["use"] for one in run.recipe["trainer"]["schedule"]["schedules"]] == ["cosine", "cosine", "continued"]


def test_the_earlier_recipe_is_told_that_its_run_has_gone_on(place: Path) -> None:
    continue_run(place / "run", 4, device="cpu")
    with pytest.raises(InputError, match=r"has gone on since.*partwise train .*run;"):
        train(recipe(place), place / "run", device="cpu")


def test_an_interrupted_run_is_continued_by_its_directory_wherever_that_is(tmp_path: Path) -> None:
    loaded = recipe(tmp_path / "here")
    whole = train(loaded, tmp_path / "whole", device="cpu")
    with pytest.raises(KilledError):
        train(loaded, tmp_path / "here" / "run", device="cpu", report=killed_after(3))
    (tmp_path / "here").rename(tmp_path / "there")
    run = continue_run(tmp_path / "there" / "run", device="cpu")
    assert weights(run) == weights(whole)


def test_more_updates_are_for_finished_runs(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        train(recipe(tmp_path), tmp_path / "run", device="cpu", report=killed_after(3))
    with pytest.raises(InputError, match="has made 2 updates of 5; finish it first: partwise train"):
        continue_run(tmp_path / "run", 4, device="cpu")
    with pytest.raises(InputError, match="no such directory"):
        continue_run(tmp_path / "none", 4, device="cpu")
    assert not (tmp_path / "none").exists()


def files(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


def test_a_run_that_cannot_go_on_stays_what_it_was(place: Path) -> None:
    run, before = place / "run", files(place / "run")
    (place / "own.txt").write_text("another text\n" * 300)
    with pytest.raises(InputError, match=r"the data has changed.*--start"):
        continue_run(run, 4, device="cpu")
    assert files(run) == before


def test_its_data_must_be_there(tmp_path: Path) -> None:
    run = train(recipe(tmp_path), tmp_path / "run", device="cpu").directory
    (tmp_path / "own.txt").unlink()
    before = files(run)
    with pytest.raises(InputError, match=r"own\.txt"):
        continue_run(run, 4, device="cpu")
    assert files(run) == before


def test_without_its_last_checkpoint_a_run_cannot_go_on(place: Path) -> None:
    shutil.rmtree(place / "run" / "checkpoint-5")
    with pytest.raises(InputError, match=r"checkpoint of its last update is missing.*--start"):
        continue_run(place / "run", 4, device="cpu")


def test_a_warmup_longer_than_the_segment_is_refused(tmp_path: Path) -> None:
    run = train(recipe(tmp_path, 'trainer.schedule={"use": "warmup_cosine", "warmup": 4}'), tmp_path / "run")
    with pytest.raises(InputError) as caught:
        continue_run(run.directory, 3, device="cpu")
    first, *rest = str(caught.value).splitlines()
    assert first.startswith(f"the run in {run.directory} cannot go on for 3 updates: {run.directory / 'recipe.json'}: ")
    assert "a warm-up of 4 updates does not fit in 3" in first
    assert rest[-1].endswith("--schedule on")
    assert run.finished
    assert continue_run(run.directory, 3, "on", device="cpu").finished


@pytest.mark.parametrize("after", range(5))
def test_stopped_while_it_becomes_a_longer_run_it_is_completed_by_the_next_command(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    shutil.copytree(place, tmp_path / "other")
    whole = continue_run(tmp_path / "other" / "run", 4, device="cpu")
    done = [0]

    def stopping(work: Any) -> Any:
        def step(*arguments: Any, **named: Any) -> Any:
            if done[0] == after:
                raise KilledError
            done[0] += 1
            return work(*arguments, **named)

        return step

    with monkeypatch.context() as patched:
        patched.setattr(going_on, "write_json", stopping(going_on.write_json))
        patched.setattr(going_on, "write_text", stopping(going_on.write_text))
        patched.setattr(going_on.Manifest, "write", stopping(going_on.Manifest.write))
        unlink, stopped = Path.unlink, stopping(Path.unlink)
        own = ("model.safetensors", "going-on.json")
        patched.setattr(Path, "unlink", lambda path, **named: (stopped if path.name in own else unlink)(path, **named))
        with pytest.raises(KilledError):
            continue_run(place / "run", 4, device="cpu")
    if after:
        with pytest.raises(WorkError, match="was about to go on when it was stopped: partwise train"):
            Run.open(place / "run")
    assert weights(continue_run(place / "run", 4, device="cpu")) == weights(whole)
