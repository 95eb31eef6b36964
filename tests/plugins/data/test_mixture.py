"""`mixture`: from a recipe to figures of every member, by the real workflow."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from partwise import InputError, RecipeError
from partwise.recipe import LoadedRecipe, load
from partwise.workflow import check, evaluate, mixture_plan, prepare, reopen, train


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))


def words(letters: str, count: int) -> str:
    draw = random.Random(letters)
    return " ".join("".join(draw.choices(letters, k=4)) for _ in range(count)) + "\n"


def recipe(directory: Path, *overrides: str, data: dict[str, Any] | None = None) -> LoadedRecipe:
    (directory / "a.txt").write_text(words("abc", 300))
    (directory / "b.txt").write_text(words("xyz", 900))
    member = {"use": "text", "files": ["a.txt"], "valid": 0.1, "test": 0.1}
    members = {"abc": member, "xyz": {**member, "files": ["b.txt"]}}
    content = {
        "extends": "gpt",
        "name": "mixed",
        "data": data or {"use": "mixture", "members": members, "weights": {"abc": 3}},
        "tokenizer": "char",
        "model": {"context": 16, "depth": 1, "width": 24},
        "trainer": {"steps": 4, "batch_size": 4, "schedule": "constant", "checkpoint_every": 2},
    }
    (directory / "mixed.json").write_text(json.dumps(content))
    return load(directory / "mixed.json", overrides)


def test_a_run_has_the_loss_of_every_member_and_how_often_it_was_seen(tmp_path: Path) -> None:
    said: list[str] = []
    run = train(recipe(tmp_path), tmp_path / "run", device="cpu", say=said.append)
    last = run.rows()[-1]
    again = evaluate(reopen(run.directory, "cpu"), "valid")
    assert last["valid.abc.loss"] == pytest.approx(again.members["abc"].loss, rel=1e-6)
    tokens = {name: one.tokens for name, one in again.members.items()}
    weighted = sum(tokens[name] * last[f"valid.{name}.loss"] for name in tokens) / sum(tokens.values())
    assert last["valid_loss"] == pytest.approx(weighted, rel=1e-6)
    plan = {one.name: one for one in mixture_plan(prepare(recipe(tmp_path)))}
    assert plan["abc"].trained_on == pytest.approx(4 * 4 * 16 * 0.75)
    assert last["epochs.abc"] == pytest.approx(4 * 4 * 16 * 0.75 / plan["abc"].tokens)
    assert any(line.startswith("mixture: abc 75.0% of the tokens, 0.16") for line in said), said


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = train(recipe(tmp_path), tmp_path / "whole", device="cpu")

    def stop(progress: Any) -> None:
        if progress.step == 2:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        train(recipe(tmp_path), tmp_path / "parts", device="cpu", report=stop)
    parts = train(recipe(tmp_path), tmp_path / "parts", device="cpu")
    assert parts.rows()[-1]["valid_loss"] == whole.rows()[-1]["valid_loss"]


def test_changing_a_weight_encodes_nothing_and_trains_no_tokenizer(tmp_path: Path) -> None:
    prepare(recipe(tmp_path))
    before = sorted((tmp_path / "cache").rglob("*"))
    said: list[str] = []
    prepare(recipe(tmp_path, "data.weights.abc=1", "data.weights.xyz=0"), said.append)
    assert sorted((tmp_path / "cache").rglob("*")) == before
    assert not said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.weights.abc=-1", "must be at least 0"),
        ('data.weights={"abd": 1}', "weights has 'abd', which is no member, did you mean 'abc'?"),
        ('data.weights={"abc": 0, "xyz": 0}', "all weights are 0"),
        ("data.members.x.y=dates", "members.x is not set"),
        ('data.members={"a.b": "library"}', "'a.b' cannot name a member"),
        ("data.members.dates=dates", "'abc' is running text and 'dates' gives examples"),
    ],
)
def test_what_is_wrong_with_a_mixture_is_said_before_anything_is_read(
    tmp_path: Path, change: str, message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        check(recipe(tmp_path, change))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "not empty"),
        ({"a": {"use": "text", "files": ["missing.txt"]}}, "there is no file"),
        ({"a": "librery"}, "did you mean 'library'?"),
        ({"a": 3}, "expected a data"),
    ],
)
def test_what_is_wrong_with_a_member_is_shown_at_its_place(
    tmp_path: Path, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        check(recipe(tmp_path, data={"use": "mixture", "members": members}))
    assert message in str(caught.value)
    assert "at data.members" in str(caught.value)


def test_a_member_whose_split_is_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="valid split of the member 'abc' of the mixture holds no text"):
        train(recipe(tmp_path, "data.members.abc.valid=0"), tmp_path / "run", device="cpu")


def test_mixtures_that_are_nested_very_deep_are_refused_in_words(tmp_path: Path) -> None:
    data: dict[str, Any] = {"use": "text", "files": ["a.txt"]}
    for _ in range(400):
        data = {"use": "mixture", "members": {"m": data}}
    with pytest.raises(RecipeError, match="nested"):
        check(recipe(tmp_path, data=data))


def test_a_mixture_of_pairs_trains_an_encoder_and_a_decoder(tmp_path: Path) -> None:
    sizes = {"size": 60, "valid": 10, "test": 10, "alphabet": "abcdefgh", "min_length": 2, "max_length": 6}
    data = {"use": "mixture", "members": {"one": {"use": "copy", **sizes}, "two": {"use": "reverse", **sizes}}}
    small = ["model.width=16", "model.encoder_depth=1", "model.decoder_depth=1", "trainer.schedule=constant"]
    loaded = load("transformer", [f"data={json.dumps(data)}", *small, "trainer.steps=2", "trainer.batch_size=8"])
    last = train(loaded, tmp_path / "run", device="cpu").rows()[-1]
    assert {"valid.one.loss", "valid.two.accuracy", "epochs.two"} <= last.keys()
