"""`--set`: what it changes, and what it says where it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from partwise.errors import RecipeError
from partwise.recipe import load


def changed(base: dict[str, Any], *options: str) -> dict[str, Any]:
    return load(base, options).recipe.resolved()


def refused(base: dict[str, Any], *options: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load(base, options)
    return str(caught.value)


def test_a_bare_word_is_a_name(base: dict[str, Any]) -> None:
    assert changed(base, "model.position=rope")["model"]["position"] == {"use": "rope", "base": 10_000.0}


@pytest.mark.parametrize(
    ("option", "path", "value"),
    [
        ("model.width=128", ("model", "width"), 128),
        ("trainer.clip=1e-3", ("trainer", "clip"), 1e-3),
        ("trainer.clip=null", ("trainer", "clip"), None),
        ("trainer.betas=[0.5, 0.25]", ("trainer", "betas"), [0.5, 0.25]),
        ('trainer.tags={"a": 1}', ("trainer", "tags"), {"a": 1}),
        ("trainer.range.high=7", ("trainer", "range"), {"low": 1, "high": 7}),
        ("trainer.betas.1=0.5", ("trainer", "betas"), [0.9, 0.5]),
        ("trainer.tags.deep=3", ("trainer", "tags"), {"deep": 3}),
        ('data.path="a=b.txt"', ("data", "path"), "a=b.txt"),
        ("data.path=a=b.txt", ("data", "path"), "a=b.txt"),
        ("data.path= a b ", ("data", "path"), "a b"),
        ("data.path=./1.txt", ("data", "path"), "./1.txt"),
        ("data.path=none", ("data", "path"), "none"),
        ('data.path="None"', ("data", "path"), "None"),
        ("about=", None, "the value is missing"),
        ('about=""', ("about",), ""),
        ("seed=3", ("seed",), 3),
        ("sampler.temperature=0.5", ("sampler", "temperature"), 0.5),
        ("model.final_norm.eps=0.5", ("model", "final_norm"), {"use": "rms", "eps": 0.5, "scale": True}),
    ],
)
def test_values(base: dict[str, Any], option: str, path: tuple[str, ...] | None, value: Any) -> None:
    if path is None:
        assert value in refused(base, option)
        return
    found: Any = changed(base, option)
    for segment in path:
        found = found[segment]
    assert found == value


def test_goes_through_what_is_only_a_default(base: dict[str, Any]) -> None:
    blocks = changed(base, "model.blocks.0.norm.eps=1e-6")["model"]["blocks"]
    assert blocks[0]["norm"] == {"use": "layer", "eps": 1e-6}


def test_goes_through_the_elements_of_a_default(base: dict[str, Any]) -> None:
    del base["model"]["blocks"]
    assert changed(base, "model.blocks.0.norm=rms")["model"]["blocks"] == [
        {"use": "pre", "mixer": {"use": "gru"}, "norm": {"use": "rms", "eps": 1e-6, "scale": True}}
    ]


def test_goes_through_a_name(base: dict[str, Any]) -> None:
    assert changed(base, "model.blocks.1.norm.eps=0.5")["model"]["blocks"][1]["norm"]["eps"] == 0.5


def test_a_star_means_every_element(base: dict[str, Any]) -> None:
    blocks = changed(base, "model.blocks.*.norm=rms")["model"]["blocks"]
    assert [block["norm"]["use"] for block in blocks] == ["rms", "rms"]
    nested = dict(base, model={"use": "stack", "blocks": [{"use": "group", "blocks": base["model"]["blocks"]}]})
    inner = changed(nested, "model.blocks.*.blocks.*.norm=rms")["model"]["blocks"][0]["blocks"]
    assert [block["norm"]["use"] for block in inner] == ["rms", "rms"]


def test_a_changed_use_replaces_the_whole_node(base: dict[str, Any]) -> None:
    mixer = changed(base, 'model.blocks.0.mixer={"use": "acme/sinks"}')["model"]["blocks"][0]["mixer"]
    assert mixer == {"use": "acme/sinks", "sinks": 4}
    assert changed(base, "model.blocks.0.mixer.use=gru")["model"]["blocks"][0]["mixer"] == {"use": "gru"}


def test_an_object_is_merged(base: dict[str, Any]) -> None:
    mixer = changed(base, 'model.blocks.0.mixer={"window": 8}')["model"]["blocks"][0]["mixer"]
    assert (mixer["heads"], mixer["window"]) == (4, 8)


def test_null_deletes(base: dict[str, Any]) -> None:
    assert changed(base, "model.width=null", "model.blocks=null")["model"]["width"] == 64
    assert len(changed(base, "model.blocks=null")["model"]["blocks"]) == 1


def test_one_after_the_other(base: dict[str, Any]) -> None:
    options = ["model.blocks.0.mixer.use=gru", 'model.blocks.0.mixer={"use": "heads", "heads": 2}']
    assert changed(base, *options)["model"]["blocks"][0]["mixer"]["heads"] == 2
    assert changed(base, *options, "model.blocks.0.mixer.heads=3")["model"]["blocks"][0]["mixer"]["heads"] == 3


def test_mends_a_recipe_that_would_not_hold_without_it(base: dict[str, Any]) -> None:
    del base["data"]
    base["model"]["position"] = "roppe"
    assert changed(base, "data=lines", "model.position=rope")["data"]["use"] == "lines"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("model.polition=rope", "stack has no 'polition', did you mean 'position'?"),
        ("modle.width=3", "a recipe has no 'modle', did you mean 'model'?"),
        ("model.blocks.2.norm=rms", "model.blocks has 2 elements, counted from 0; there is no model.blocks.2"),
        ("model.blocks.-1.norm=rms", "model.blocks has 2 elements; give an index from 0, or * for all of them"),
        ("model.blocks.norm=rms", "model.blocks has 2 elements; give an index"),
        ("model.blocks.0=null", "an element cannot be deleted; set model.blocks as a whole"),
        ("model.width.a=3", "model.width is a single value, which has nothing below it"),
        ("model.blocks.0.mixer.position.base=3", "model.blocks.0.mixer.position is not set; set it as a whole"),
        ("model.*.norm=rms", "stack has no '*'"),
        ("trainer.range.hihg=3", "a range has no 'hihg', did you mean 'high'?"),
        ("model..width=3", "a path is names, indexes and *, with dots between"),
        ("model.blocks[*].norm=rms", "an index follows a dot: write blocks.* in place of blocks[*]"),
        ("model.blocks[0].norm=rms", "an index follows a dot: write blocks.0 in place of blocks[0]"),
        ("model.width", "the value is missing: write model.width=VALUE"),
        ("=3", "a path is names, indexes and *"),
        ("", "a path is names, indexes and *"),
        ("model.width=NaN", "NaN is not a number in JSON"),
        ("model.width=-inf", "-inf is not a number in JSON"),
        ("model.width=True", "True is not JSON, did you mean true?"),
        ("model.width=1e", "1e is not a number in JSON; write"),
        ("data.path=2024-01-01", """where a string is meant, quote it: '"2024-01-01"'"""),
        ('model={"width": 3', 'the text ends before the object that began there is closed by "}"'),
        ("model={'width': 3}", "strings and keys take straight double quotes"),
        ('model="stack', 'the string that begins here has no closing "'),
        ("model.width=six", 'width: expected a whole number greater than 0, got "six"'),
        ("data.path=\udce9", "bytes that are not UTF-8"),
    ],
)
def test_says_what_is_wrong_with_the_option(base: dict[str, Any], option: str, message: str) -> None:
    assert message in refused(base, option)


def test_points_into_the_option(base: dict[str, Any]) -> None:
    assert refused(base, "model.position=ropee").splitlines() == [
        "--set model.position: unknown position 'ropee', did you mean 'rope'?",
        "  at model.position",
        "    --set model.position=ropee",
        "                         ^",
        "  installed: rope, learned",
        "  note: plugin zeta (zeta-kit 0.1) failed to load: ModuleNotFoundError: No module named 'triton'",
    ]
    assert refused(base, "model.blocks.0.mixr=gru").splitlines()[:4] == [
        "--set model.blocks.0.mixr: pre has no 'mixr', did you mean 'mixer'?",
        "  at model.blocks.0",
        "    --set model.blocks.0.mixr=gru",
        "                         ^",
    ]


def test_says_all_that_is_wrong_with_the_options_at_once(base: dict[str, Any]) -> None:
    text = refused(base, "model.width=NaN", "modle=3", "model.blocks.7=gru")
    assert all(part in text for part in ("NaN is not", "no 'modle'", "has 2 elements"))


def test_a_part_that_is_still_the_same_stands_where_it_stood(base: dict[str, Any]) -> None:
    node = load(base, ["model.width=8"]).node
    assert node.mark.source.name == "<recipe>"
    assert node.members["model"].mark.source.name == "<recipe>"
    assert node.members["model"].members["width"].mark.source.name == "--set model.width"
