"""Evaluations of a recipe: they leave training alone, their figures reach every place, and runs are judged again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import partwise
from partwise import InputError, RecipeError
from partwise.recipe import LoadedRecipe
from partwise.runs import Run
from partwise.runs.listing import listed
from partwise.workflow import Reopened, reopen, train
from partwise_evaluations.parts import SAMPLES

CLOZE = {"use": "choices", "file": "choices.jsonl", "every": 2}
OTHER = {"use": "text", "files": ["long.txt"]}
BLOCK = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}, "feedforward": "gelu"}


def recipe(place: Path, evaluations: dict[str, Any], **changes: Any) -> LoadedRecipe:
    shutil.copytree(SAMPLES, place, dirs_exist_ok=True)
    node = {
        "partwise": 1,
        "name": "judged",
        "data": {"use": "text", "files": ["long.txt"], "valid": 0.3, "test": 0.1},
        "tokenizer": "char",
        "model": {"use": "language_model", "width": 16, "context": 32, "depth": 1, "dropout": 0.2, "blocks": [BLOCK]},
        "trainer": {"use": "standard", "steps": 5, "batch_size": 4, "schedule": "constant", "evaluate_every": 3},
        "evaluations": evaluations,
    }
    (place / "recipe.json").write_text(json.dumps(node))
    return partwise.change(partwise.load(place / "recipe.json"), changes)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """A run with evaluations, and the same without."""
    place = tmp_path_factory.mktemp("judged")
    ran = [
        train(recipe(place / name, evaluations), place / name / "run", device="cpu")
        for name, evaluations in (("with", {"cloze": CLOZE, "other": OTHER}), ("without", {}))
    ]
    return ran[0], ran[1]


def test_evaluations_leave_every_bit_of_training_alone(both: tuple[Run, Run]) -> None:
    weights = [(run.directory / "model.safetensors").read_bytes() for run in both]
    assert weights[0] == weights[1]
    rows = [[{key: value for key, value in row.items() if "." not in key} for row in run.rows()] for run in both]
    assert rows[0] == rows[1]


def test_they_change_no_name_of_what_is_trained(both: tuple[Run, Run], tmp_path: Path) -> None:
    recipes = [recipe(tmp_path, evaluations).recipe for evaluations in ({"cloze": CLOZE}, {})]
    assert recipes[0].fingerprint() == recipes[1].fingerprint()


def test_they_run_when_they_are_due_and_stand_in_the_log(both: tuple[Run, Run]) -> None:
    rows = both[0].rows()
    assert [row["step"] for row in rows if "cloze.accuracy" in row] == [2, 4, 5]
    assert [row["step"] for row in rows if "other.loss" in row] == [5]
    assert rows[-1]["cloze.accuracy.error"] > 0
    found = listed(both[0].directory).evaluations
    assert found["cloze.accuracy"] == rows[-1]["cloze.accuracy"]
    assert not [name for name in found if name.endswith("error")]


def test_a_run_is_judged_again_to_the_same_figures_and_wherever_it_was_moved(
    both: tuple[Run, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(both[0].directory.parent, tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    opened = reopen(tmp_path / "moved" / "run", "cpu")
    found = partwise.judge(opened, say=None)
    last = both[0].rows()[-1]
    assert {name: one.figure.value for name, one in found.items()} == {
        name: pytest.approx(last[name], rel=1e-6) for name in found
    }
    assert list(partwise.judge(opened, "other")) == ["other.bits_per_byte", "other.loss"]


@pytest.fixture
def opened(both: tuple[Run, Run]) -> Reopened:
    return reopen(both[1].directory, "cpu")


def test_others_come_from_a_file_with_names_or_a_recipe_or_a_single_one(opened: Reopened, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "long.txt", tmp_path)
    for content, name in (({"x": OTHER}, "x"), ({"evaluations": {"y": OTHER}, "name": "r"}, "y"), (OTHER, "file")):
        (tmp_path / "file.json").write_text(json.dumps(content))
        assert next(iter(partwise.judge(opened, tmp_path / "file.json"))) == f"{name}.bits_per_byte"


def test_what_is_wrong_with_others_is_shown_in_their_file(opened: Reopened, tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text('{"x": {"use": "text", "files": ["lnog.txt"]}}')
    shutil.copy(SAMPLES / "long.txt", tmp_path)
    with pytest.raises(RecipeError, match=r"file.json:1:[\s\S]*did you mean 'long.txt'[\s\S]*at evaluations.x.files"):
        partwise.judge(opened, tmp_path / "file.json")
    (tmp_path / "file.json").write_text("{}")
    with pytest.raises(RecipeError, match="here is no evaluation"):
        partwise.judge(opened, tmp_path / "file.json")
    with pytest.raises(InputError, match="'cloze' is neither a file nor an evaluation of the run's recipe, which has"):
        partwise.judge(opened, "cloze")
    with pytest.raises(InputError, match="the run's recipe has no evaluations; name a file"):
        partwise.judge(opened)


@pytest.mark.parametrize(
    ("evaluations", "changes", "words"),
    [
        ({"a": {"use": "choices", "file": "no.jsonl"}}, {}, r"there is no file .*no.jsonl[\s\S]*at evaluations.a.file"),
        ({"a": {"use": "answers", "file": "answers.jsonl"}}, {"objective": "masked"}, "'masked' makes one that sees"),
        ({"a": OTHER}, {"objective": "prefix"}, "needs the likelihood of every token.*'prefix' teaches only some"),
        ({"a": {"use": "choises"}}, {}, "unknown evaluation 'choises', did you mean 'choices'?"),
        ({"a.b": OTHER}, {}, r"'a\.b' cannot name an evaluation: use letters, digits, '_' and '-'"),
        ({"valid": OTHER}, {}, r"'valid' cannot name an evaluation: figures of the valid split"),
    ],
)
def test_what_cannot_be_judged_is_told_before_training(
    evaluations: dict[str, Any], changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=words):
        partwise.check(recipe(tmp_path, evaluations, **changes))


def test_an_evaluation_of_texts_is_not_for_a_model_of_pairs(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "long.txt", tmp_path)
    loaded = partwise.change("transformer", {"evaluations": {"a": OTHER | {"files": [str(tmp_path / "long.txt")]}}})
    with pytest.raises(RecipeError, match="'text' is for models of running text, and 'seq2seq' is none"):
        partwise.check(loaded)


def test_a_failure_while_training_is_told_once_and_training_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    loaded = recipe(tmp_path, {"far": {"use": "lengths", "files": ["short.txt"], "upto": [1, 2], "every": 1}})
    loaded = partwise.change(loaded, {"model.position": "rope"})
    run = train(loaded, tmp_path / "run", device="cpu", say=said.append)
    assert run.finished
    assert [line for line in said if "evaluation far failed and is left out from now on: no document" in line] == said[
        -1:
    ]
