"""A catalogue of everything that comes with partwise, and one with a hostile and a friendly plugin beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import pytest
from pydantic import PositiveInt

from partwise import Part, use
from partwise.catalogue import write_catalogue
from partwise.parts import kinds, registry, slots
from partwise.parts.plugins import LoadedPlugin, Plugin, load_plugins
from partwise.parts.registry import Registry

from ...plugged import loaded

NASTY = "<script>alert(1)</script> & \"quotes\" 'too' {{ 7 * 7 }} \x1b[31m\u202e"


class GatePart(Part):
    """Sends each token to some experts."""

    kind = "gate"


class TopTwo(GatePart):
    """Sends each token to two experts, p = softmax(x W) (Lepikhin et al. 2020, arXiv:2006.16668).

    See `crowds` and `rope`; the *second* one is drawn.

        y = p_1 f_1(x) + p_2 f_2(x)

    - first, `softmax`
    - then doi:10.1145/3292500.3330701

    """

    name = "top_two"
    aliases = ("top2", "switch")
    version = 2

    spare: PositiveInt = 2
    """How many zebras each expert has room for."""
    norm: slots.Norm = use("layer_norm")
    """What is done before."""
    others: tuple[slots.FeedForward, ...] = ()
    """Further experts."""


class Demanding(kinds.SchedulePart):
    """Falls by steps."""

    name = "stairs"

    height: PositiveInt
    """Height of a step."""

    def build(self, site: Any) -> Any:
        return lambda step: 1 / (1 + step // self.height)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(height=3), cls(height=7)


class Broken(kinds.SchedulePart):
    """Has no examples."""

    name = "broken"

    height: PositiveInt
    """Height."""

    @classmethod
    def examples(cls) -> Iterable[Self]:
        raise RuntimeError("none")


class WickedPart(Part):
    __doc__ = f"Wicked kind {NASTY}"
    kind = "wicked"  # one with markup or a path in it is refused when the plugin is loaded


class Wicked(WickedPart):
    __doc__ = f"Wicked {NASTY}\n\n    {NASTY}\n\n- {NASTY}\n\nSee `{NASTY}` and javascript:alert(2)."
    name = "wicked"

    knob: str = NASTY

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        raise RuntimeError("none")


Wicked.model_fields["knob"].description = NASTY


def plugin(namespace: str, parts: tuple[type[Part], ...], distribution: str, recipes: tuple[Path, ...]) -> LoadedPlugin:
    return loaded(Plugin(namespace, f"{namespace}_module", distribution, "0.3.1"), parts, recipes)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """All that is built in, and two plugins."""
    recipes = tmp_path_factory.mktemp("recipes")
    (recipes / "odd.json").write_text('{"partwise": 1, "name": "<i>odd</i>", "about": "Not <b>whole</b>."}')
    built_in = [one for one in load_plugins() if one.plugin.builtin]
    acme = plugin("acme", (TopTwo, Demanding, Broken), "acme-experts", (recipes,))
    return Registry([*built_in, acme, plugin("Wick<ed>", (Wicked,), "wick<ed>", ())])


@pytest.fixture
def installed(world: Registry) -> Iterable[Registry]:
    with registry.using(world):
        yield world


@pytest.fixture(scope="session")
def catalogue(world: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a catalogue of it, without results."""
    directory = tmp_path_factory.mktemp("html") / "catalogue"
    with registry.using(world):
        write_catalogue(directory)
    return directory
