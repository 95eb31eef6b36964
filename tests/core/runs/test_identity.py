"""Which run is this? Every key of a recipe is counted once, and the names given long ago stay what they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from partwise.recipe import Recipe, load
from partwise.runs.identity import (
    REPEATED,
    TRAINED,
    UNTRAINED,
    fingerprint,
    result_identity,
    run_identity,
)


@pytest.fixture
def recipe() -> Recipe:
    return load("gpt").recipe


def test_every_key_of_a_recipe_is_trained_or_repeated_or_neither() -> None:
    assert sorted([*TRAINED, *REPEATED, *UNTRAINED]) == sorted(Recipe.model_fields)


def test_a_recipe_has_the_fingerprint_of_its_resolved_form(recipe: Recipe) -> None:
    assert recipe.fingerprint() == fingerprint(recipe.resolved())


def test_names_from_before_this_module_are_unchanged() -> None:
    """Of a recipe as it was then: its parts have more knobs by now."""
    resolved = json.loads((Path(__file__).parent / "gpt_of_then.json").read_text())
    assert fingerprint(resolved) == "9e39fa3496"
    assert run_identity(resolved, "d") == "ebc2d982a4f37880327fdf289bf4da454d4f9da401a5ba96a0db52f601643a46"
    assert result_identity(resolved, 3, "d", [["a b", "c"]]) == "516dc43f90634340d61e"


@pytest.mark.parametrize("key", UNTRAINED)
def test_what_is_not_trained_changes_no_name(recipe: Recipe, key: str) -> None:
    one, other = recipe.resolved(), {**recipe.resolved(), key: "something else"}
    assert fingerprint(one) == fingerprint(other)
    assert run_identity(one, "d") == run_identity(other, "d")
    assert result_identity(one, 0, "d", []) == result_identity(other, 0, "d", [])


def test_a_repetition_is_another_run_of_the_same_experiment(recipe: Recipe) -> None:
    one, other = recipe.resolved(), {**recipe.resolved(), "seed": 7}
    assert fingerprint(one) == fingerprint(other)
    assert run_identity(one, "d") != run_identity(other, "d")


def test_other_texts_and_other_code_are_other_results(recipe: Recipe) -> None:
    resolved = recipe.resolved()
    assert run_identity(resolved, "d") != run_identity(resolved, "e")
    known = {result_identity(resolved, 0, data, code) for data in "de" for code in ([], [["norm a", "1"]])}
    assert len(known) == 4
