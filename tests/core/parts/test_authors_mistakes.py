"""Enumerations as knobs, and what a part's own code gets wrong once it is loaded, told with its place."""

from __future__ import annotations

import enum
import json
import re
from importlib import import_module
from typing import Any, ClassVar, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import field_validator, model_validator
from torch import nn

from partwise import RecipeError, workflow
from partwise.errors import PartError
from partwise.parts import BlockPart, NormPart, slots
from partwise.parts.part import Part
from partwise.parts.plugins import Plugin, load_plugins
from partwise.parts.registry import Registry, using
from partwise.recipe import load
from partwise.recipe.schema import json_schema

from ...plugged import loaded


class Speed(enum.Enum):
    """How fast."""

    FAST = "fast"
    SLOW = "slow"


class Level(enum.IntEnum):
    """How much."""

    LOW = 1
    HIGH = 2


class Chosen(NormPart):
    """A norm with words of several sorts."""

    name = "chosen"
    speed: Speed = Speed.FAST
    """How fast."""
    level: Level | None = None
    """How much."""
    each: tuple[Speed, ...] = (Speed.SLOW,)
    """One by one."""
    either: Literal[Speed.FAST, "never"] = "never"
    """When."""

    def build(self, site: Any) -> Any:
        return nn.Identity()


class Odd(NormPart):
    """A norm with mistakes in its methods."""

    name = "odd"
    version: ClassVar[int] = 2
    width: int = 1
    """Which mistake."""
    depth: int = 1
    """Which other mistake."""

    @classmethod
    def migrate(cls, knobs: dict[str, Any], version: int) -> Any:
        if "gone" in knobs:
            return None
        return {"width": knobs["size"]}

    @field_validator("width")
    @classmethod
    def _checked(cls, width: int) -> int:
        return {1: 1, 2: 2, 3: 3}[width]

    @model_validator(mode="after")
    def _together(self) -> Any:
        if self.depth == 7:
            raise PartError("seven is too deep")
        return self

    def build(self, site: Any) -> Any:
        return {1: None, 2: nn.Identity, 3: 3.5}[self.width]


class Breaking(NormPart):
    """A norm whose build has a mistake."""

    name = "breaking"
    how: str = "key"
    """Which."""

    def build(self, site: Any) -> Any:
        if self.how == "key":
            return {}["heads"]
        if self.how == "index":
            return [][1]
        if self.how == "type":
            return 1 + self.how  # type: ignore[operator]
        if self.how == "import":
            import_module("there_is_none")
        if self.how == "torch":
            return nn.Linear(-7, 3)
        raise {"memory": MemoryError(), "disk": OSError(28, "No space left on device"),
               "accelerator": RuntimeError("CUDA out of memory")}[self.how]  # fmt: skip


class Pair(BlockPart):
    """Holds a norm."""

    name = "pair"
    inner: slots.Norm
    """What it holds."""

    def build(self, site: Any) -> Any:
        return self.inner.assemble(site)


@pytest.fixture(autouse=True)
def _installed() -> Any:
    plugin = Plugin("acme", "acme", "acme-sinks", "0.3.1")
    found = Registry([*load_plugins(), loaded(plugin, [Chosen, Odd, Breaking, Pair])])
    assert [one.problem for one in found.broken] == []
    with using(found):
        yield


def recipe(**knobs: Any) -> Any:
    return {"extends": "gpt", "name": "x", "model": {"final_norm": knobs}}


def norm(**knobs: Any) -> Any:
    return load(recipe(**knobs)).recipe.model.final_norm  # type: ignore[attr-defined]


WRITTEN = {"use": "acme/chosen", "speed": "slow", "level": 2, "each": ["fast", "slow"], "either": "fast"}


def test_an_enumeration_is_read_from_words_and_written_as_words() -> None:
    part = norm(**WRITTEN)
    assert (part.speed, part.level, part.each, part.either) == (
        Speed.SLOW,
        Level.HIGH,
        (Speed.FAST, Speed.SLOW),
        Speed.FAST,
    )
    dumped = json.loads(json.dumps(part.model_dump(mode="json")))
    assert dumped == WRITTEN
    assert norm(**dumped) == part
    assert norm(use="acme/chosen").model_dump(mode="json")["speed"] == "fast"


def test_a_word_that_an_enumeration_has_not_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(RecipeError) as error:
        norm(use="acme/chosen", speed="slwo", level="2")
    assert 'speed: expected "fast" or "slow", got "slwo", did you mean \'slow\'?' in str(error.value)
    assert 'level: expected 1 or 2, or null, got "2"' in str(error.value)


@pytest.mark.parametrize("wrong", [{}, {"speed": "FAST"}, {"level": 3}, {"each": ["quick"]}])
def test_the_schema_has_the_words(wrong: dict[str, Any]) -> None:
    errors = list(Draft202012Validator(json_schema()).iter_errors(recipe(**WRITTEN | wrong)))
    assert bool(errors) == bool(wrong)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"sizes": 3}, "'acme/odd', version 1: its migrate() raised KeyError: 'size' (test_authors_mistakes.py:"),
        ({"gone": 3}, "its migrate() returned None, and not the knobs; write the knobs of version 2 instead"),
        ({"version": 2, "width": 9}, "a validator of Odd raised KeyError: 9 (test_authors_mistakes.py:"),
        ({"version": 2, "depth": 7}, "'acme/odd': seven is too deep"),
    ],
)
def test_what_its_methods_raise_is_told_with_the_place(knobs: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as error:
        norm(use="acme/odd", **knobs)
    assert said in str(error.value)
    assert "final_norm" in str(error.value)


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (1, "acme/odd (Odd) builds nothing: its build() returns None, and must return what it has made"),
        (2, "acme/odd (Odd) builds the class Identity, and must return an instance of it"),
        (3, "acme/odd (Odd) builds a float, and what it builds must be a torch.nn.Module"),
    ],
)
def test_what_builds_no_module_is_told_with_its_place(width: int, said: str) -> None:
    part: Part = Pair.model_validate({"inner": Odd(width=width)})
    with pytest.raises(PartError, match=r".") as error:
        part.assemble(BlockPart.sites()["decoder"])
    assert str(error.value) == f"at inner: {said}"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("key", "KeyError: 'heads'"),
        ("index", "IndexError: list index out of range"),
        ("type", "TypeError: unsupported operand type(s) for +: 'int' and 'str'"),
        ("import", "ModuleNotFoundError: No module named 'there_is_none'"),
        ("torch", "RuntimeError: Trying to create tensor with negative dimension -7: [3, -7]"),
    ],
)
def test_what_breaks_while_it_is_built_is_told_with_its_place(how: str, said: str) -> None:
    with pytest.raises(RecipeError) as error:
        workflow.check(load(recipe(use="acme/breaking", how=how)))
    told = re.escape(f"acme/breaking (Breaking): its build() raised {said} (test_authors_mistakes.py:")
    assert re.search(rf"{told}\d+\)\n", str(error.value)), error.value
    assert "at model.final_norm" in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(("how", "raised"), [("memory", MemoryError), ("disk", OSError), ("accelerator", RuntimeError)])
def test_what_the_machine_lacks_is_no_mistake_of_the_author(how: str, raised: type[Exception]) -> None:
    with pytest.raises(raised):
        workflow.check(load(recipe(use="acme/breaking", how=how)))
