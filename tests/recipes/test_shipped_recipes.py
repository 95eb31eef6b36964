"""Every recipe that ships holds: it loads, fits the schema, assembles, and learns when made small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from partwise.recipe import json_schema, load, recipes
from partwise.workflow import check, inspect

SHIPPED = [shipped.name for shipped in recipes()]
FIVE = ["char-rnn", "word-gru", "lstm-attention", "transformer", "gpt"]


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    document = json_schema()
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def test_the_five_models_and_six_variants_ship() -> None:
    assert set(FIVE) <= set(SHIPPED)
    assert sum(name.startswith("variants/") for name in SHIPPED) >= 6
    assert {"families/gpt2-small", "families/llama3-8b"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_loads_and_assembles_on_meta(name: str) -> None:
    # What replicates a result on a text that we may not ship names a file of the user's.
    loaded = load(name, [f'data.files=["{__file__}"]'] if name == "replications/nanogpt-cpu" else [])
    check(loaded)
    assert inspect(loaded).parameters > 0


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_fits_the_schema_as_written_and_as_resolved(name: str, schema: Draft202012Validator) -> None:
    loaded = load(name)
    assert loaded.path is not None
    assert not list(schema.iter_errors(json.loads(loaded.path.read_text())))
    assert not list(schema.iter_errors(loaded.recipe.resolved()))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_says_what_it_is(name: str) -> None:
    recipe = load(name).recipe
    assert recipe.name == Path(name).name
    assert recipe.about.endswith(".")


@pytest.mark.parametrize("name", SHIPPED)
def test_resolving_a_shipped_recipe_changes_nothing(name: str) -> None:
    recipe = load(name).recipe
    again = load(recipe.resolved()).recipe
    assert again.resolved() == recipe.resolved()
    assert again.fingerprint() == recipe.fingerprint()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # As Hugging Face transformers counts the published checkpoints.
        ("families/gpt2-small", 124_439_808),
        ("families/llama3-8b", 8_030_261_248),
        ("families/llama3-405b", 405_853_388_800),
    ],
)
def test_a_family_has_as_many_parameters_as_its_authors_say(name: str, parameters: int) -> None:
    assert inspect(load(name)).parameters == parameters
