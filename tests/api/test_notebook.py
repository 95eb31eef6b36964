"""What the notebook functions take and give beyond their examples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import partwise
from partwise import InputError, PartwiseError, RecipeError
from partwise.recipe import LoadedRecipe
from partwise.training import Progress

TINY = {"name": "tiny", "data": "grammar", "model.width": 8, "model.context": 16, "trainer.steps": 4,
        "trainer.batch_size": 2, "trainer.evaluate_batches": 1, "trainer.schedule": "constant"}  # fmt: skip


@pytest.fixture
def tiny() -> LoadedRecipe:
    return partwise.change("char-rnn", TINY)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "tiny"
    partwise.train(partwise.change("char-rnn", TINY), out=place, say=None)
    return place


def told(wrong: Callable[[], Any]) -> str:
    with pytest.raises(PartwiseError) as caught:
        wrong()
    return str(caught.value)


def test_a_recipe_is_taken_by_name_file_dict_and_as_loaded(tmp_path: Path) -> None:
    gpt = partwise.load("gpt")
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"extends": "gpt"}))
    for recipe in (gpt, file, str(file), {"extends": "gpt"}, gpt.recipe.resolved()):
        assert partwise.load(recipe).recipe == gpt.recipe
        partwise.check(recipe)


def test_a_change_leaves_what_it_was_given_as_it_was() -> None:
    gpt = partwise.load("gpt")
    rotary = partwise.change(gpt, {"model.position": {"use": "rope", "base": 500}, "model.depth": 2})
    assert (rotary.recipe.model.depth, gpt.recipe.model.depth) == (2, 4)
    assert rotary.recipe.resolved()["model"]["position"]["base"] == 500
    again = partwise.change(rotary, {"model.position.base": 600})
    assert again.recipe.resolved()["model"]["position"]["base"] == 600


def test_a_change_takes_parts_made_in_python_and_strings_that_look_like_numbers() -> None:
    gpt, rotary = partwise.load("gpt"), partwise.change("gpt", {"model.position": "rope"})
    assert partwise.change(gpt, {"model.position": rotary.recipe.model.position}).recipe == rotary.recipe
    assert partwise.change(gpt, {"about": "1"}).recipe.about == "1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.widht": 5}, "model.widht: language_model has no 'widht', did you mean 'width'?\n  at model\n"),
        ({"model.position": "ropee"}, "model.position: unknown position 'ropee', did you mean 'rope'?\n  at model.pos"),
        ({"model.width": {1}}, "model.width: this cannot be written as JSON: set is not a JSON value"),
        ({"model.width": float("nan")}, "model.width: NaN is not a number in JSON"),
        ({"model.blocks.7.norm": "rms_norm"}, "model.blocks has 1 element, counted from 0; there is no model.blocks.7"),
    ],
)
def test_a_change_that_is_wrong_is_told_with_its_path(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        partwise.change("gpt", changes)
    assert message in str(caught.value)


def test_a_dict_that_is_wrong_is_told_with_paths_and_without_lines_of_a_file() -> None:
    text = told(lambda: partwise.load({"extends": "gpt", "model": {"position": "ropee", "widht": 3}}))
    assert text.splitlines()[:4] == [
        "<recipe>: unknown position 'ropee', did you mean 'rope'?",
        "  at model.position",
        '    "position": "ropee",',
        "                ^",
    ]
    assert "\n<recipe>: unknown knob 'widht' of language_model, did you mean 'width'?\n  at model.widht\n" in text


def test_a_study_that_is_wrong_is_told_likewise() -> None:
    factors = {"a": {"at": "model.widht", "values": [1]}}
    text = told(lambda: partwise.study({"partwise": 1, "name": "x", "base": "gpt", "factors": factors}, say=None))
    assert text.startswith("<study>: language_model has no 'widht', did you mean 'width'?")


def test_training_tells_its_progress_in_lines_and_to_a_callback(tiny: LoadedRecipe, tmp_path: Path) -> None:
    lines: list[str] = []
    steps: list[Progress] = []
    run = partwise.train(tiny, seed=3, out=str(tmp_path / "run"), say=lines.append, report=steps.append)
    assert lines[0] == f"training tiny in {tmp_path / 'run'}"
    assert lines[-1].startswith("step 4/4: loss ")
    assert [progress.step for progress in steps] == [1, 2, 3, 4]
    assert run.recipe.seed == 3
    lines.clear()
    partwise.train(tiny, seed=3, out=tmp_path / "run", say=lines.append)
    assert lines[-1] == "this run is finished; nothing is left to do"


def test_training_in_silence_prints_nothing(trained: Path, tiny: LoadedRecipe, capsys: Any) -> None:
    partwise.train(tiny, out=trained, say=None)
    assert capsys.readouterr().out == ""


def test_a_run_is_taken_opened_and_by_its_directory(trained: Path) -> None:
    run = partwise.open(trained)
    assert repr(run) == f"<run {trained}: {sum(p.numel() for p in run.model.parameters()):,} parameters, finished>"
    text = partwise.generate(run, "a", tokens=12)
    assert text == partwise.generate(str(trained), "a", tokens=12) == partwise.generate(trained, "a", tokens=12)
    assert partwise.evaluate(run, limit=1) == partwise.evaluate(trained, limit=1)
    assert partwise.evaluate(run, "test", limit=1, accuracy=True).accuracy is not None


def test_another_sampler_is_chosen_as_by_the_command(trained: Path) -> None:
    greedy = partwise.generate(trained, "a", tokens=12, sampler="greedy")
    assert greedy == partwise.generate(trained, "a", tokens=12, seed=1, sampler={"use": "greedy"})
    text = told(lambda: partwise.generate(trained, sampler="gredy"))
    assert text.startswith("sampler: unknown sampler 'gredy', did you mean 'greedy'?")


def test_a_text_ends_before_a_stop_string(trained: Path) -> None:
    seed, text = next(
        (seed, text) for seed in range(99) if len(text := partwise.generate(trained, "a", tokens=40, seed=seed)) > 4
    )
    for stop in (text[2:4], ["\0", text[2:4]]):
        assert partwise.generate(trained, "a", tokens=40, seed=seed, stop=stop) == text[: text.index(text[2:4])]
    assert told(lambda: partwise.generate(trained, stop="")).startswith("a stop string is empty")


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        partwise.open(tmp_path)


def test_a_look_shows_itself_within_the_page_of_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = {
        "extends": "char-rnn", "name": "seen", "data": {"use": "grammar", "size": 2000, "valid": 300, "test": 300},
        "model": {"width": 8}, "trainer": {"steps": 1, "schedule": "constant"},
    }  # fmt: skip
    run = partwise.train(tiny, say=None)
    found = run.look("the dog")
    frame = found._repr_html_()
    assert frame.startswith("<iframe ")
    assert "&lt;!doctype html&gt;" in frame
    assert "<script" not in frame, "the page's own markup would leave the frame"
    assert found.to_json()["health"] == partwise.look(run, "the dog").to_json()["health"]
