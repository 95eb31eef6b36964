"""The JSON Schema takes what `load` takes, and nothing else."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from partwise.errors import RecipeError
from partwise.recipe import json_schema, load

Write = Callable[[str, Any], Path]


@pytest.fixture
def schema() -> dict[str, Any]:
    return json_schema()


def takes(schema: dict[str, Any], value: Any) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


def loads(value: Any) -> bool:
    try:
        load(value)
    except RecipeError:
        return False
    return True


def test_is_a_schema_of_its_dialect_and_plain_json(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    found = set(references(schema))
    assert {reference.removeprefix("#/$defs/") for reference in found} <= set(schema["$defs"])
    assert "#/$defs/mixer.acme.experts" in found


def test_takes_a_recipe_and_its_dump(schema: dict[str, Any], base: dict[str, Any]) -> None:
    assert takes(schema, base)
    assert takes(schema, load(base).recipe.resolved())
    assert takes(schema, {"$schema": "x", **base})


def test_a_name_stands_only_for_a_part_that_needs_no_knobs(schema: dict[str, Any]) -> None:
    names = next(one["enum"] for one in schema["$defs"]["mixer"]["anyOf"] if "enum" in one)
    assert names == ["acme/sinks", "acme/experts", "gru"]


def test_kinds_nest(schema: dict[str, Any]) -> None:
    assert {"$ref": "#/$defs/attention.heads"} in schema["$defs"]["mixer"]["anyOf"]
    assert {"$ref": "#/$defs/mixer.gru"} not in schema["$defs"]["attention"]["anyOf"]
    assert {"$ref": "#/$defs/routing.acme.top_two"} in schema["$defs"]["routing"]["anyOf"]


def test_says_what_everything_means(schema: dict[str, Any]) -> None:
    heads = schema["$defs"]["attention.heads"]
    assert heads["description"] == "Attention of several heads."
    assert heads["properties"]["heads"]["description"] == "Number of heads."
    assert heads["properties"]["position"]["description"] == "Its own position."
    assert schema["$defs"]["mixer"]["description"].startswith("Moves information")
    assert schema["$defs"]["recipe"]["properties"]["trainer"]["description"] == "How it is trained."


def test_shows_defaults_as_a_dump_does(schema: dict[str, Any], base: dict[str, Any]) -> None:
    stack = schema["$defs"]["model.stack"]["properties"]
    resolved = load(base | {"model": "stack"}).recipe.resolved()["model"]
    assert {knob: stack[knob]["default"] for knob in stack if knob != "use"} == {
        knob: value for knob, value in resolved.items() if knob != "use"
    }


def test_a_kind_without_parts_takes_nothing(base: dict[str, Any]) -> None:
    from partwise.parts.registry import Registry, using

    with using(Registry([])):
        empty = json_schema()
        Draft202012Validator.check_schema(empty)
        assert not takes(empty, base)


PLAUSIBLE: dict[str, list[Any]] = {
    "position": ["rope", "learned", {"use": "rope", "base": 2}],
    "norm": ["rms", {"use": "layer", "eps": 1}, {"use": "rms", "scale": False}],
    "mixer": ["gru", "acme/sinks", "acme/experts", {"use": "heads", "heads": 2, "bias": ["key"]}],
    "window": [None, 3],
    "mask": ["auto", "none"],
    "shared": ["model", "rope"],
    "bias": [True, [], ["query", "key"]],
    "clip": [None, 2, 0.5],
    "betas": [[0, 1], [0.5, 0.5]],
    "range": [{"high": 3}, {"low": 1, "high": 3}],
    "tags": [{}, {"a": 1}],
    "seed": [0, 7],
    "about": ["", "x"],
    "width": [8],
}


def mutations(value: Any, rng: random.Random) -> Any:
    """The value with one thing changed somewhere."""
    junk = [None, True, 0, 1, -1, 2, 64, 0.5, 1.5, "x", "gru", "heads", "rope", "rms", "lines", "acme/sinks", [], {}]
    junk += [{"use": "gru"}, {"use": "rope", "base": 2}, {"use": "heads"}, ["query"], [0.5, 0.5], {"high": 2}]
    value = copy.deepcopy(value)
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        action = rng.random()
        if action < 0.6:
            plain = key in PLAUSIBLE and rng.random() < 0.7
            value[key] = rng.choice(PLAUSIBLE[key]) if plain else mutations(value[key], rng)
        elif action < 0.7:
            del value[key]
        else:
            knob = rng.choice([*PLAUSIBLE, "use", "zzz"])
            value[knob] = rng.choice(PLAUSIBLE.get(knob, junk) if rng.random() < 0.7 else junk)
        return value
    if isinstance(value, list) and value and rng.random() < 0.8:
        index = rng.randrange(len(value))
        value[index] = mutations(value[index], rng)
        return value
    return rng.choice(junk)


def test_agrees_with_load_on_thousands_of_slips(schema: dict[str, Any], base: dict[str, Any]) -> None:
    validator = Draft202012Validator(schema)
    rng = random.Random(0)
    resolved = load(base).recipe.resolved()
    outcomes = []
    for number in range(1200):
        value = mutations(base if number % 2 else resolved, rng)
        if number % 3 == 0:
            value = mutations(value, rng)
        if not isinstance(value, dict):
            continue
        outcomes.append(loads(value))
        assert validator.is_valid(value) == outcomes[-1], json.dumps(value)
    assert min(outcomes.count(True), outcomes.count(False)) > 100


# --- recipes that extend another ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"name": "mine"},
        {"model": {"width": 8}},
        {"model": {"position": "rope"}},
        {"model": {"position": {"use": "rope"}}},
        {"model": {"final_norm": {"eps": 0.5}}},
        {"model": {"width": None}},
        {"trainer": {"clip": None}},
        {"trainer": {"range": {"low": 3}}},
        {"trainer": {"tags": {"a": None, "b": 2}}},
        {"data": {"share": 0.5}},
        {"model": {"blocks": [{"use": "pre", "mixer": "gru"}]}},
        {"sampler": None},
        {"seed": None},
    ],
)
def test_takes_patches(schema: dict[str, Any], base: dict[str, Any], write: Write, patch: Any) -> None:
    write("base.json", base)
    write("mine.json", {"extends": "base.json", **patch})
    assert loads("mine.json")
    assert takes(schema, {"extends": "base.json", **patch})
    assert patch == {} or not takes(schema, patch)


@pytest.mark.parametrize(
    "patch",
    [
        {"modle": {}},
        {"name": 3},
        {"model": {"widht": 8}},
        {"model": {"widht": None}},
        {"model": {"width": "8"}},
        {"model": {"width": 0}},
        {"model": {"position": "ropee"}},
        {"model": {"position": {"use": "gru"}}},
        {"model": {"blocks": [{"use": "pre"}]}},
        {"model": {"blocks": [{"mixer": "gru"}]}},
        {"trainer": {"range": {"low": "3"}}},
        {"trainer": {"tags": {"a": "b"}}},
        {"data": {"use": None}},
        {"tokenizer": "pairs"},
    ],
)
def test_refuses_patches_that_suit_no_recipe(
    schema: dict[str, Any], base: dict[str, Any], write: Write, patch: Any
) -> None:
    write("base.json", base)
    write("mine.json", {"extends": "base.json", **patch})
    assert not loads("mine.json")
    assert not takes(schema, {"extends": "base.json", **patch})


def test_extends_is_a_string(schema: dict[str, Any]) -> None:
    assert not takes(schema, {"extends": 3})


def test_whatever_load_takes_on_top_of_a_recipe_the_schema_takes(
    schema: dict[str, Any], base: dict[str, Any], write: Write
) -> None:
    validator = Draft202012Validator(schema)
    rng = random.Random(1)
    write("base.json", base)
    taken = 0
    for _ in range(600):
        patch = mutations({key: base[key] for key in ("model", "trainer", "data")}, rng)
        if isinstance(patch, dict) and loads({"extends": "base.json", **patch}):
            taken += 1
            assert validator.is_valid({"extends": "base.json", **patch}), json.dumps(patch)
    assert taken > 80
