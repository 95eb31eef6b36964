"""A small world for the command line's tests: toy plugins and parts, and a way to call the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import PositiveInt

from partwise import use
from partwise.parts import kinds, registry, slots
from partwise.parts.plugins import LoadedPlugin, Plugin
from partwise_cli import plugged
from partwise_cli.main import cli

from ...plugged import loaded


class Spin(kinds.PositionPart):
    """Spins the features (Nobody 2020).

    A second paragraph, for the detail page only.
    """

    name = "spin"
    acts = frozenset({"rotate"})

    speed: PositiveInt = 3
    """Turns per position."""


class Still(kinds.PositionPart):
    """Leaves everything where it is."""

    name = "still"


class Letters(kinds.TokenizerPart):
    """Letters as tokens."""

    name = "letters"


class Poem(kinds.DataPart):
    """One poem."""

    name = "poem"


class Net(kinds.ModelPart):
    """A toy network."""

    name = "net"

    width: PositiveInt
    """Features per position."""
    context: PositiveInt = 8
    """Longest sequence."""
    position: slots.Position = use("still")
    """How it knows where it is."""


class Drill(kinds.TrainerPart):
    """A toy trainer."""

    name = "drill"


class Next(kinds.ObjectivePart):
    """A toy objective."""

    name = "next_token"

    label_smoothing: float = 0.0
    """How much a target is spread."""
    z_loss: float = 0.0
    """Weight of a term."""


class Warm(kinds.SamplerPart):
    """A toy sampler."""

    name = "temperature"

    heat: PositiveInt = 1
    """How warm."""


BUILT_IN = (Spin, Still, Letters, Poem, Net, Drill, Warm, Next)


def plugin(
    namespace: str,
    parts: tuple[Any, ...] = (),
    commands: tuple[Any, ...] = (),
    distribution: str = "acme-parts",
    **more: Any,
) -> LoadedPlugin:
    """A plugin as the loader would give it; with a `problem`, a broken one."""
    described = Plugin(namespace, more.pop("module", f"{namespace}_module"), distribution, "0.3.1", **more)
    return loaded(described, parts, commands=commands)


@pytest.fixture
def plugins() -> Iterator[Callable[..., None]]:
    """The toy parts in place of everything real; called, it installs a plugin `acme` beside them."""
    with pytest.MonkeyPatch.context() as patch:

        def install(**acme: Any) -> None:
            others = [plugin("acme", **acme)] if acme else []
            installed = registry.Registry([plugin("toys", BUILT_IN, distribution="partwise"), *others])
            patch.setattr(registry, "_installed", lambda: installed)
            patch.setattr(plugged, "third_party", lambda: others)
            plugged.plugged.cache_clear()

        install()
        yield install
    plugged.plugged.cache_clear()


@pytest.fixture
def call(plugins: Any) -> Callable[..., Result]:
    """Calls `partwise` in this process, in the small world."""

    def invoke(*arguments: str, **more: Any) -> Result:
        # A width of its own, whatever the terminal that runs the tests (under xdist there is none).
        environment = {"COLUMNS": "160", **more.pop("env", {})}
        return CliRunner().invoke(cli, list(arguments), prog_name="partwise", env=environment, **more)

    return invoke


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def recipe(here: Path) -> Callable[..., str]:
    """Writes a recipe of toy parts into the current directory and returns its name."""

    def write(name: str = "toy", **model: Any) -> str:
        node = {"use": "net", "width": 4, **model}
        whole = {"partwise": 1, "name": name, "data": "poem", "tokenizer": "letters", "model": node, "trainer": "drill"}
        (here / f"{name}.json").write_text(json.dumps(whole, indent=1))
        return f"{name}.json"

    return write
