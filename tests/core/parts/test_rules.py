"""What a part class can get wrong is refused when its plugin is loaded, in one line with the class and the knob."""

from __future__ import annotations

import datetime
import enum
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, computed_field, create_model

from partwise import Part, Slot, use
from partwise.parts import NormPart, slots
from partwise.parts.plugins import Plugin
from partwise.parts.registry import Registry, registry
from partwise.parts.rules import problem_of_parts

from ...plugged import loaded


class Mode(enum.Enum):
    """How."""

    FAST = "fast"
    SLOW = "slow"


class Steps(enum.Flag):
    """Which."""

    ONE = 1
    TWO = 2


class Loose(BaseModel):
    """Can change."""

    low: int = 0


class Fixed(BaseModel):
    """Cannot."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    low: int = 0


def norm(**body: Any) -> type[NormPart]:
    """A norm with these things in its class; `knob=(type, default)` is a knob, `...` for none."""
    knobs = {name: body.pop(name) for name, value in [*body.items()] if isinstance(value, tuple) and len(value) == 2}
    settings = body.pop("model_config", None)
    base = type("Base", (NormPart,), {"__doc__": "A norm.", **({"model_config": settings} if settings else {})})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic warns of some of these
        made: Any = create_model("Odd", __base__=base, **knobs)
    for name, value in {"name": "odd", **body}.items():
        type.__setattr__(made, name, value)
    return made


class NoClassMethod(NormPart):
    """A norm."""

    name = "odd"

    def examples(self) -> Any:  # type: ignore[override]
        yield self


class NoSite(NormPart):
    """A norm."""

    name = "odd"

    def build(self) -> Any:  # type: ignore[override]
        return None


class Generates(NormPart):
    """A norm."""

    name = "odd"

    def build(self, site: Any) -> Any:
        yield 1


class Computes(NormPart):
    """A norm."""

    name = "odd"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def half(self) -> int:
        return 1


class Hidden(NormPart):
    """A norm."""

    name = "odd"
    _size: int = 3


class Rival(Part):
    """Another norm."""

    kind = "norm"
    name = "odd"


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (norm(use=(str, "x")), "Odd has a knob `use`, the word by which recipes say what names a part"),
        (norm(version=(int, 2)), "Odd has a knob `version`, the word by which recipes say"),
        (norm(extends=(str, "x")), "Odd has a knob `extends`"),
        (norm(build=(int, 2)), "Odd has a knob `build`, the name of something that every part has"),
        (norm(examples=(int, 2)), "Odd has a knob `examples`"),
        (norm(sites=(int, 2)), "Odd has a knob `sites`"),
        (norm(aliases=(tuple[str, ...], ())), "aliases of Odd is no knob, as every part has it: write `aliases = ...`"),
        (norm(kind=(str, "norm")), "kind of Odd is no knob"),
        (norm(where=(Path, Path("x"))), "knob where of Odd is a Path, which JSON cannot say; make it a str"),
        (norm(raw=(bytes, b"")), "knob raw of Odd is a bytes, which JSON cannot say; make it a str"),
        (norm(when=(datetime.datetime | None, None)), "knob when of Odd is a datetime, which JSON cannot say"),
        (norm(z=(complex, 1j)), "knob z of Odd is a complex, which JSON cannot say; make it tuple[float, float]"),
        (norm(some=(set[int], set())), "knob some of Odd is a set; parts cannot change, so make it a tuple"),
        (norm(some=(frozenset[int], frozenset())), "knob some of Odd is a frozenset"),
        (norm(some=(list[int], [])), "knob some of Odd is a list; parts cannot change, so make it a tuple"),
        (norm(some=(list[int] | None, None)), "knob some of Odd is a list"),
        (norm(some=(tuple[list[int], ...], ())), "knob some of Odd is a list"),
        (norm(some=(dict[str, list[int]], {})), "knob some of Odd is a list"),
        (norm(some=(dict[int, int], {})), "knob some of Odd is an object with keys of type int; in JSON keys are str"),
        (norm(inner=(NormPart, ...)), "knob inner of Odd is a part without a slot: write Annotated[NormPart, Slot()]"),
        (
            norm(inner=(dict[str, tuple[slots.Norm, ...]], {})),
            "knob inner of Odd holds an object of parts; hold parts in a slot",
        ),
        (norm(inner=(Annotated[int, Slot()], 1)), "knob inner of Odd is marked as a slot, and int is no kind of part"),
        (norm(range=(Loose, Loose())), "knob range of Odd is a Loose, which can change"),
        (norm(call=(Any, 1), after=(type[int], int)), "knob after of Odd is a type"),
        (norm(steps=(Steps, Steps.ONE)), "knob steps of Odd is a Steps, whose values are sums"),
        (norm(a=(Literal[b"x"], b"x")), "knob a of Odd may be b'x', which JSON cannot say"),
        (norm(heads=(int, None)), "the default of knob heads of Odd is None, which its type refuses"),
        (norm(heads=(PositiveInt, 0)), "the default of knob heads of Odd is 0, which its type refuses"),
        (norm(eps=(float, float("nan"))), "the default of knob eps of Odd is nan, which its type refuses"),
        (norm(mode=(Mode, "fast")), "the default of knob mode of Odd is 'fast', which its type refuses"),
        (norm(eps=(float, Field(1.0, alias="epsilon"))), "knob eps of Odd has an alias"),
        (norm(eps=(float, Field(1.0, exclude=True))), "knob eps of Odd is excluded from dumps"),
        (norm(**{"my-knob": (int, 1)}), "part Odd has a knob 'my-knob'; use letters, digits and _"),
        (norm(aliases="older"), "part Odd has aliases 'older'; write a tuple of names"),
        (norm(aliases=(7,)), "part Odd has the alias 7"),
        (norm(known_failures=["x"]), "part Odd has known_failures ['x']"),
        (norm(model_config=ConfigDict(extra="allow")), "part Odd sets extra='allow' in model_config"),
        (norm(model_config=ConfigDict(frozen=False)), "part Odd sets frozen=False in model_config"),
        (norm(dtype=(torch.dtype, torch.float32), model_config=ConfigDict(arbitrary_types_allowed=True)),
         "knob dtype of Odd is a dtype, which JSON cannot say"),
        (NoClassMethod, "examples() of part NoClassMethod is asked of the class: write @classmethod above it"),
        (NoSite, "part NoSite needs a method build(self, site), and has build(self)"),
        (Generates, "part Generates needs a method build(self, site) that returns what it builds"),
        (Computes, "half of Computes is a computed field"),
        (Hidden, "_size of Hidden begins with _, so it is no knob"),
    ],
)  # fmt: skip
def test_it_is_refused_with_the_class_and_the_knob(part: type[Part], said: str) -> None:
    problem = problem_of_parts([part])
    assert problem is not None
    assert said in problem
    assert "\n" not in problem
    found = Registry([loaded(Plugin("acme", "acme", "acme-parts", "1.2"), [part])])
    assert [plugin.problem for plugin in found.broken] == [problem]


def test_a_second_kind_of_one_name_is_refused_beside_what_is_installed() -> None:
    problem = problem_of_parts([Rival], registry().kinds())
    assert problem is not None
    assert problem.startswith("part Rival has a kind 'norm' of its own, and there is one: derive it from")
    assert problem_of_parts([Rival]) is None


@pytest.mark.parametrize(
    "part",
    [
        norm(mode=(Mode, Mode.FAST)),
        norm(mode=(Mode | None, None)),
        norm(modes=(tuple[Mode, ...], (Mode.FAST,))),
        norm(mode=(Literal[Mode.FAST, "other"], "other")),
        norm(inner=(slots.Norm | None, None)),
        norm(inner=(tuple[slots.Norm, ...], ())),
        norm(inner=(slots.Norm | Literal["model"], use("rms_norm"))),
        norm(range=(Fixed, Fixed())),
        norm(tags=(dict[str, int], Field(default_factory=dict))),
        norm(eps=(float, 1)),
    ],
)
def test_what_a_recipe_can_say_is_taken(part: type[Part]) -> None:
    assert problem_of_parts([part]) is None


def test_every_built_in_part_keeps_the_rules() -> None:
    assert problem_of_parts([entry.part for entry in registry().entries()]) is None


def test_a_class_that_cannot_be_looked_at_breaks_its_own_plugin_only() -> None:
    class Meta(type(NormPart)):  # type: ignore[misc]
        def __getattribute__(cls, name: str) -> Any:
            if name == "aliases":
                raise RuntimeError("no answer")
            return super().__getattribute__(name)

    class Shy(NormPart, metaclass=Meta):
        """A norm."""

        name = "shy"

    assert problem_of_parts([Shy]) == "part Shy cannot be looked at: RuntimeError: no answer"
