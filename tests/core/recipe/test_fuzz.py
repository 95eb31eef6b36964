"""Whatever it is given, `load` gives a recipe or a `RecipeError` of one screen, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partwise.errors import RecipeError
from partwise.recipe import LoadedRecipe, load

Write = Callable[[str, Any], Path]
quick = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = st.sampled_from(
    [
        "use",
        "model",
        "mixer",
        "norm",
        "blocks",
        "extends",
        "name",
        "rope",
        "gru",
        "heads",
        "plain",
        "acme/sinks",
        "*",
        "0",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4),
    max_leaves=15,
)


def outcome(source: Any, *options: str) -> LoadedRecipe | None:
    try:
        return load(source, options)
    except RecipeError as error:
        text = str(error)
        assert text.strip()
        assert len(text.splitlines()) < 300
        assert all(line.isprintable() for line in text.split("\n"))
        text.encode()
        return None


@quick
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert outcome(path) is None


@quick
@given(data=st.data())
def test_a_recipe_with_some_bytes_changed(tmp_path: Path, base: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(base, indent=1).encode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 5)))
    path = tmp_path / "x.json"
    path.write_bytes(text[:start] + data.draw(st.binary(max_size=4)) + text[end:])
    outcome(path)


@quick
@given(value=JSON, data=st.data())
def test_a_recipe_with_any_json_somewhere(base: dict[str, Any], value: Any, data: st.DataObject) -> None:
    changed = json.loads(json.dumps(base))
    place: Any = changed
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        below = place[key]
        if not isinstance(below, dict | list) or not below or data.draw(st.booleans()):
            place[key] = value
            break
        place = below
    loaded = outcome(changed)
    if loaded is not None:
        assert load(loaded.recipe.resolved()).recipe == loaded.recipe


@quick
@given(value=JSON)
def test_any_json(value: Any) -> None:
    if isinstance(value, dict):
        assert outcome(value) is None


@quick
@given(
    path=st.lists(WORDS | st.text(max_size=4), max_size=5).map(".".join)
    | st.sampled_from(["model.blocks.*.mixer", "model.width", "trainer.range", "model.blocks.0.norm.eps"]),
    value=JSON.map(json.dumps) | st.text(max_size=8),
)
def test_any_option(base: dict[str, Any], path: str, value: str) -> None:
    outcome(base, f"{path}={value}")


@quick
@given(option=st.text())
def test_any_text_as_an_option(base: dict[str, Any], option: str) -> None:
    outcome(base, option)


@quick
@given(patch=JSON)
def test_any_json_that_extends_a_recipe(base: dict[str, Any], write: Write, patch: Any) -> None:
    if isinstance(patch, dict):
        write("base.json", base)
        outcome({"extends": "base.json", **patch})


@quick
@given(source=st.text())
def test_any_name(source: str) -> None:
    assert outcome(source) is None


def test_a_hundred_parts_in_each_other(base: dict[str, Any]) -> None:
    def nested(depth: int) -> dict[str, Any]:
        block: dict[str, Any] = {"use": "pre", "mixer": "gru"}
        for _ in range(depth):
            block = {"use": "group", "blocks": [block]}
        return base | {"model": {"use": "stack", "blocks": [block]}}

    loaded = load(nested(47))
    assert load(loaded.recipe.resolved()).recipe == loaded.recipe
    assert len(loaded.recipe.fingerprint()) == 10
    with pytest.raises(RecipeError, match="nested deeper than 100 levels"):
        load(nested(60))
