"""How often a training reads its texts: told where that takes no reading, and not otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from partwise.recipe import LoadedRecipe, load
from partwise.workflow import planned_epochs, prepare
from partwise_cli.main import cli

TEXT = {"use": "text", "files": ["a.txt"], "valid": 0.2, "test": 0.1}


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("partwise_data.catalogue.SETTLED", -60.0)  # or the list of a file just written is not kept
    (tmp_path / "a.txt").write_text("one two three four\n" * 40)


def recipe(data: Any, **trainer: Any) -> LoadedRecipe:
    content = {"extends": "gpt", "name": "counted", "data": data, "tokenizer": "char"}
    content |= {"model": {"width": 24, "depth": 1, "context": 32}}
    content |= {"trainer": {"steps": 10, "batch_size": 4, "schedule": "constant", **trainer}}
    Path("r.json").write_text(json.dumps(content))
    return load("r.json")


def checked(*more: str) -> str:
    done = CliRunner().invoke(cli, ["check", "r.json", *more])
    assert done.exit_code == 0, done.output
    return done.output


def test_nothing_is_said_of_texts_that_were_not_encoded_yet() -> None:
    assert planned_epochs(recipe(TEXT)) is None
    assert checked() == "r.json: ok\n"
    assert not Path("cache").exists()  # nor were they listed


def test_what_all_updates_read_is_compared_with_the_training_split() -> None:
    loaded = recipe(TEXT, accumulate=3)
    tokens = prepare(loaded).batches.encoded["train"].scored_tokens
    found = planned_epochs(loaded)
    assert found is not None
    assert (found.updates, found.tokens) == (10, tokens)
    assert found.epochs == pytest.approx(10 * 4 * 3 * 32 / tokens)
    assert checked() == f"r.json: ok (10 updates go through its {tokens} training tokens {found.epochs:.3g} times)\n"
    assert json.loads(checked("--json"))[0]["epochs"] == pytest.approx(found.epochs)
    Path("a.txt").write_text("one two three\n" * 50)
    assert checked() == "r.json: ok\n"


def test_examples_count_as_long_as_they_are() -> None:
    loaded = recipe({"use": "reverse", "size": 50, "valid": 10, "test": 10, "max_length": 9})
    prepare(loaded)
    found = planned_epochs(loaded)
    assert found is not None
    assert found.epochs == pytest.approx(10 * 4 / 50)


def test_of_a_mixture_each_member_is_told() -> None:
    loaded = recipe({"use": "mixture", "members": {"a": TEXT, "b": TEXT}, "weights": {"a": 3}})
    tokens = prepare(loaded).batches.encoded["train"].scored_tokens
    assert f"mixture: a 75.0% of the tokens, {10 * 4 * 32 * 0.75 / (tokens / 2):.3g} epochs; b 25.0%" in checked()


def test_a_trainer_that_does_not_know_its_updates_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = recipe(TEXT)
    prepare(loaded)
    monkeypatch.setattr(type(loaded.recipe.trainer), "planned_updates", lambda self: None)
    assert planned_epochs(loaded) is None
