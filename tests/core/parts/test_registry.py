from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from partwise import Part
from partwise.parts import AttentionPart, MixerPart, NormPart, PositionPart, kinds_of
from partwise.parts.plugins import LoadedPlugin, Plugin
from partwise.parts.registry import Registry, registry, using

from ...plugged import loaded


class Wide(MixerPart):
    """A mixer."""

    name = "wide"


class Sharp(AttentionPart):
    """An attention."""

    name = "sharp"


class Plain(NormPart):
    """A norm."""

    name = "plain"


def acme(*parts: Any, distribution: str = "acme-parts", directories: tuple[Any, ...] = ()) -> LoadedPlugin:
    return loaded(Plugin("acme", "acme", distribution, "1.2"), parts, directories)


def test_parts_of_others_have_their_namespace_in_front_and_built_in_ones_have_not() -> None:
    assert Registry([acme(Wide)]).names(MixerPart) == ["acme/wide"]
    assert Registry([acme(Wide, distribution="partwise")]).names(MixerPart) == ["wide"]


def test_a_part_is_found_under_its_kind_and_under_the_kinds_above() -> None:
    found = Registry([acme(Wide, Sharp, Plain)])
    assert found.find(MixerPart, "acme/sharp") is Sharp
    assert found.find(AttentionPart, "acme/sharp") is Sharp
    assert found.find(AttentionPart, "acme/wide") is None
    assert found.find(NormPart, "acme/sharp") is None
    assert found.find(NormPart, "plain") is None
    assert found.of_any_kind("acme/plain") == (Plain,)


def test_the_kinds_of_a_part_are_listed_most_special_first() -> None:
    assert kinds_of(Sharp) == [AttentionPart, MixerPart]
    assert kinds_of(Part) == []


def test_entries_are_ordered_by_kind_and_name() -> None:
    found = Registry([acme(Wide, Plain, Sharp)])
    assert [(entry.part.kind, entry.name) for entry in found.entries()] == [
        ("attention", "acme/sharp"),
        ("mixer", "acme/wide"),
        ("norm", "acme/plain"),
    ]
    assert found.names(MixerPart) == ["acme/sharp", "acme/wide"]
    assert list(found.kinds()) == ["attention", "mixer", "norm"]


def test_an_entry_knows_where_a_part_is_from() -> None:
    found = Registry([acme(Wide)])
    entry = found.entry(Wide)
    assert entry is not None
    assert str(entry.plugin) == "acme (acme-parts 1.2)"
    assert found.entry(Sharp) is None
    assert found.name_of(Wide) == "acme/wide"
    assert found.name_of(Sharp) == "sharp"


@pytest.mark.parametrize("wrong", [7, "wide", object, Part])
def test_a_plugin_that_gives_what_is_no_part_gives_nothing(wrong: Any) -> None:
    found = Registry([acme(Wide, wrong)])
    assert found.entries() == ()
    assert [str(plugin) for plugin in found.broken] == ["acme (acme-parts 1.2)"]


def test_directories_of_a_broken_plugin_are_not_searched() -> None:
    assert Registry([acme(7, directories=("/somewhere",))]).recipe_directories == ()
    assert len(Registry([acme(Wide, directories=("/somewhere",))]).recipe_directories) == 1


def test_another_registry_is_in_force_within_a_with_block() -> None:
    mine = Registry([acme(Wide)])
    before = registry()
    with using(mine):
        assert registry() is mine
    assert registry() is before


def test_no_two_built_in_parts_share_a_name() -> None:
    """Bare names come from several plugins of ours, and the last of two would win in silence."""
    from importlib import import_module

    plugins = [plugin for plugin in registry().plugins if plugin.builtin]
    count = sum(len(import_module(f"{plugin.module}.parts").PARTS) for plugin in plugins)
    assert count == sum(entry.plugin.builtin for entry in registry().entries())


def test_every_built_in_plugin_loads() -> None:
    assert [str(plugin) for plugin in registry().plugins if plugin.builtin and plugin.problem] == []
    folders = {path.parent.name for path in (Path(__file__).parents[3] / "plugins").glob("partwise_*/__init__.py")}
    assert {plugin.module for plugin in registry().plugins if plugin.builtin} == folders


def test_positions_say_where_they_act() -> None:
    acts = {entry.name: set(entry.part.acts) for entry in registry().entries(PositionPart)}
    assert acts["rope"] == {"rotate"}
    assert acts["learned"] == acts["sinusoidal"] == {"embed"}
    assert acts["alibi"] == acts["t5_bias"] == {"bias"}
    assert acts["none"] == set()
