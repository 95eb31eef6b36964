"""What two recipes do differently."""

from __future__ import annotations

from typing import Any

from partwise.recipe import ABSENT, Difference, differences, load


def between(base: dict[str, Any], *options: str) -> list[Difference]:
    return differences(load(base), load(base, options))


def test_equal_recipes_do_not_differ(base: dict[str, Any]) -> None:
    assert between(base) == []
    assert between(base, "model.width=64", "data.share=1.0") == []


def test_a_changed_knob(base: dict[str, Any]) -> None:
    assert between(base, "model.width=8", "trainer.clip=null") == [
        Difference(("model", "width"), 64, 8),
        Difference(("trainer", "clip"), 1.0, None),
    ]
    assert [str(one) for one in between(base, "name=x", "trainer.clip=null")] == [
        'name: "base" -> "x"',
        "trainer.clip: 1.0 -> null",
    ]


def test_another_part_is_one_difference(base: dict[str, Any]) -> None:
    (one,) = between(base, "model.blocks.0.mixer=gru")
    assert one.path == ("model", "blocks", 0, "mixer")
    assert (one.left["heads"], one.right) == (4, {"use": "gru"})
    assert str(one) == "model.blocks.0.mixer: heads -> gru"


def test_a_default_that_is_changed_is_found(base: dict[str, Any]) -> None:
    assert between(base, "model.blocks.0.norm.eps=0.5") == [
        Difference(("model", "blocks", 0, "norm", "eps"), 1e-5, 0.5)
    ]


def test_elements_that_only_one_has(base: dict[str, Any]) -> None:
    longer = base | {"model": base["model"] | {"blocks": [*base["model"]["blocks"], {"use": "pre", "mixer": "gru"}]}}
    (one,) = differences(load(base).recipe, load(longer).recipe)
    assert (one.path, one.left, one.right["use"]) == (("model", "blocks", 2), ABSENT, "pre")
    assert str(one) == "model.blocks.2: absent -> pre"
    (other,) = differences(load(longer), load(base))
    assert (other.left["use"], other.right) == ("pre", ABSENT)


def test_true_is_not_one(base: dict[str, Any]) -> None:
    from partwise.recipe.difference import _differences

    assert list(_differences((), {"a": True}, {"a": 1})) == [Difference(("a",), True, 1)]
    assert list(_differences((), {"a": [1]}, {"a": {"b": 1}})) == [Difference(("a",), [1], {"b": 1})]
