"""Merge patch: RFC 7396 where there is no `use`, and our two rules on top."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partwise.recipe import Node, Recipe, Source, merge, parse

KEYS = st.sampled_from(["a", "b", "c"])
NO_STRINGS = st.none() | st.booleans() | st.integers(0, 9)


def trees(scalars: Any) -> Any:
    def grown(inner: Any) -> Any:
        return st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3)

    return st.recursive(scalars, grown, max_leaves=12)


def node(value: Any, name: str = "x.json") -> Node:
    return parse(Source(name, json.dumps(value)))


def rfc_7396(target: Any, patch: Any) -> Any:
    """The pseudocode of section 2."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = rfc_7396(target.get(name), value)
    return target


@given(trees(NO_STRINGS), trees(NO_STRINGS | st.text(max_size=2)))
def test_without_use_it_is_rfc_7396(target: Any, patch: Any) -> None:
    assert merge(node(target), node(patch)).plain() == node(rfc_7396(target, patch)).plain()


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_the_rfc(target: Any, patch: Any, result: Any) -> None:
    assert merge(node(target), node(patch)).plain() == node(result).plain()


def of_recipe(target: Any, patch: Any) -> Any:
    return merge(node(target), node(patch), Recipe).plain()


def test_changed_use_replaces_the_whole_node() -> None:
    target = {"trainer": {"use": "plain", "steps": 3, "clip": 2.0}}
    assert of_recipe(target, {"trainer": {"use": "other", "lr": 1}}) == {"trainer": {"use": "other", "lr": 1}}


def test_equal_use_merges() -> None:
    target = {"trainer": {"use": "plain", "steps": 3}}
    assert of_recipe(target, {"trainer": {"use": "plain", "warmup": 1}}) == {
        "trainer": {"use": "plain", "steps": 3, "warmup": 1}
    }


def test_a_name_is_met_as_an_object() -> None:
    assert of_recipe({"data": "lines"}, {"data": {"share": 0.5}}) == {"data": {"use": "lines", "share": 0.5}}
    assert of_recipe({"data": "lines"}, {"data": {"use": "lines", "share": 0.5}}) == {
        "data": {"use": "lines", "share": 0.5}
    }
    assert of_recipe({"data": "lines"}, {"data": {"use": "other"}}) == {"data": {"use": "other"}}


def test_a_name_replaces_an_object_even_of_the_same_part() -> None:
    assert of_recipe({"data": {"use": "lines", "share": 0.5}}, {"data": "lines"}) == {"data": "lines"}


def test_what_is_not_written_is_met_as_its_default() -> None:
    assert of_recipe({"model": "stack"}, {"model": {"position": {"use": "rope"}}})["model"]["position"] == {
        "use": "rope"
    }
    changed = of_recipe({"model": "stack"}, {"model": {"final_norm": {"scale": False}}})
    assert changed["model"]["final_norm"] == {"use": "rms", "eps": 1e-3, "scale": False}
    assert of_recipe({}, {"sampler": {"temperature": 2.0}}) == {"sampler": {"use": "temperature", "temperature": 2.0}}


def test_a_replaced_node_is_taken_as_it_is_written() -> None:
    changed = of_recipe({"model": "other"}, {"model": {"use": "stack", "final_norm": {"scale": False}}})
    assert changed["model"]["final_norm"] == {"scale": False}


def test_null_deletes_so_that_the_default_returns() -> None:
    assert of_recipe({"model": {"use": "stack", "width": 8}}, {"model": {"width": None}}) == {"model": {"use": "stack"}}


def test_null_is_the_value_where_a_knob_takes_it() -> None:
    target = {"trainer": {"use": "plain", "steps": 3, "clip": 2.0}}
    assert of_recipe(target, {"trainer": {"clip": None}})["trainer"] == {"use": "plain", "steps": 3, "clip": None}
    assert of_recipe({}, {"trainer": {"use": "plain", "clip": None}})["trainer"] == {"use": "plain", "clip": None}


def test_deleting_what_no_part_knows_is_kept_for_validation_to_report() -> None:
    assert of_recipe({"model": "stack"}, {"model": {"widht": None}})["model"] == {"use": "stack", "widht": None}
    assert of_recipe({"model": {"use": "stack", "widht": 3}}, {"model": {"widht": None}})["model"] == {"use": "stack"}


def test_every_node_remembers_its_file() -> None:
    base = node({"model": {"use": "stack", "width": 8, "context": 4}}, "base.json")
    mine = node({"model": {"width": 16}}, "mine.json")
    model = merge(base, mine, Recipe).members["model"]
    assert [model.members[key].mark.source.name for key in ("use", "width", "context")] == [
        "base.json",
        "mine.json",
        "base.json",
    ]
    key = model.members["width"].key
    assert key is not None
    assert key.source.name == "mine.json"
