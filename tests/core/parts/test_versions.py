"""A part may be renamed, and its knobs may change: recipes written before still mean what they meant."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import PositiveInt

from partwise import RecipeError
from partwise.parts import kinds
from partwise.parts.plugins import Plugin, load_plugins
from partwise.parts.registry import Registry, registry, using
from partwise.provenance.lock import changes
from partwise.recipe import load
from partwise.recipe.schema import json_schema
from partwise.testing import find

from ...plugged import loaded


class Sinks(kinds.NormPart):
    """A part in its third version: `count` was `sinks` once, and `scale` was in percent."""

    name = "sinks"
    aliases = ("drains",)
    version = 3

    count: PositiveInt = 1
    """How many."""
    scale: float = 1.0
    """A share."""

    @classmethod
    def migrate(cls, knobs: dict[str, Any], version: int) -> dict[str, Any]:
        if "leaks" in knobs:
            raise ValueError("leaks are gone; leave the knob out")
        if version < 2 and "sinks" in knobs:
            knobs["count"] = knobs.pop("sinks")
        if version < 3 and "scale" in knobs:
            knobs["scale"] = knobs["scale"] / 100
        return knobs


@pytest.fixture(autouse=True)
def _installed() -> Any:
    plugin = Plugin("acme", "acme", "acme-sinks", "0.3.1")
    with using(Registry([*load_plugins(), loaded(plugin, [Sinks])])):
        yield


def norm(**knobs: Any) -> Any:
    written = {"extends": "gpt", "name": "x", "model": {"final_norm": knobs}}
    return load(written).recipe.model.final_norm  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("written", "count", "scale"),
    [
        ({"use": "acme/sinks", "sinks": 4, "scale": 50}, 4, 0.5),
        ({"use": "acme/sinks", "version": 2, "count": 4, "scale": 50}, 4, 0.5),
        ({"use": "acme/sinks", "version": 3, "count": 4, "scale": 0.5}, 4, 0.5),
        ({"use": "acme/drains", "sinks": 2}, 2, 1.0),
    ],
)
def test_recipes_of_every_version_mean_what_they_meant(written: Any, count: int, scale: float) -> None:
    part = norm(**written)
    assert (type(part), part.count, part.scale) == (Sinks, count, scale)


def test_a_resolved_recipe_says_the_version_and_the_name_of_today() -> None:
    dumped = norm(use="acme/drains", sinks=2).model_dump(mode="json")
    assert dumped == {"use": "acme/sinks", "version": 3, "count": 2, "scale": 1.0}
    assert norm(**dumped).model_dump(mode="json") == dumped


def test_parts_in_their_first_version_say_nothing_of_it() -> None:
    assert "version" not in norm(use="layer_norm").model_dump(mode="json")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"use": "acme/sinks", "version": 4}, "written for version 4, but version 3 is installed; update the plugin"),
        ({"use": "acme/sinks", "version": 0}, "expected 1 to 3"),
        ({"use": "acme/sinks", "version": "2"}, "expected 1 to 3"),
        ({"use": "acme/sinks", "leaks": 1}, "leaks are gone; leave the knob out"),
        ({"use": "acme/sinks", "version": 3, "sinks": 2}, "sinks"),
        ({"use": "layer_norm", "version": 1}, "version"),
    ],
)
def test_what_no_version_can_be_is_refused_in_plain_words(written: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        norm(**written)


def test_the_schema_knows_former_names_and_takes_knobs_of_earlier_versions() -> None:
    schema = json_schema()
    part = Draft202012Validator({"$ref": "#/$defs/norm.acme.sinks", "$defs": schema["$defs"]})
    assert part.is_valid({"use": "acme/drains", "sinks": 2})
    assert part.is_valid({"use": "acme/sinks", "version": 3, "count": 2})
    assert not part.is_valid({"use": "acme/sinks", "version": 4})
    assert not part.is_valid({"use": "acme/sinks", "version": 3, "count": "two"})


class Other(kinds.NormPart):
    """Has the name that another one had."""

    name = "drains"


class Bad(kinds.NormPart):
    """Counts its versions from nought."""

    name = "bad"
    version = 0


@pytest.mark.parametrize(
    ("parts", "message"), [([Sinks, Other], "two parts named 'drains'"), ([Bad], "versions are 1, 2, 3")]
)
def test_names_and_versions_that_cannot_be_are_problems_of_the_plugin(parts: list[Any], message: str) -> None:
    found = Registry([loaded(Plugin("acme", "acme", "acme", "1"), parts)])
    assert message in (found.plugins[0].problem or "")


def test_registry_finds_a_part_by_a_former_name_and_lists_it_by_todays() -> None:
    assert registry().find(kinds.NormPart, "acme/drains") is Sinks
    assert "acme/drains" not in registry().names(kinds.NormPart)


def lock(version: str = "0.3.1", source: str = "ab", **facts: str) -> dict[str, Any]:
    part = {"distribution": "acme-sinks", "version": version, "source": source}
    return {"torch": "2.6.0", "parts": {"norm acme/sinks": part}, **facts}


def test_what_has_changed_since_a_run_was_started_is_told_in_words() -> None:
    assert changes(lock(), lock()) == []
    assert changes(lock(), lock("0.4.0", "cd")) == ["acme-sinks 0.3.1 is 0.4.0 now (norm acme/sinks)"]
    assert changes(lock(), lock(source="cd")) == ["acme-sinks 0.3.1 has other code now (norm acme/sinks)"]
    assert changes(lock(), lock(torch="2.7.0")) == ["torch 2.6.0 is 2.7.0 now"]


def test_a_part_that_has_another_name_now_is_compared_with_what_it_was() -> None:
    then = lock(source="ab")
    then["parts"] = {"norm acme/drains": then["parts"].pop("norm acme/sinks")}
    assert changes(then, lock(source="cd")) == ["acme-sinks 0.3.1 has other code now (norm acme/drains)"]
    assert changes(then, lock(source="ab")) == []


def test_verify_finds_a_part_by_a_former_name() -> None:
    assert find("acme/drains").name == "acme/sinks"
