"""What there is to check: every example of a part, at every site of its kind where it fits.

Nothing about a part is guessed: its settings are its own `examples()`, the sites are its kind's `sites()`, and it fits
a site if it can be built there on the meta device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import nn

from partwise.assembly.build import skeleton
from partwise.errors import InputError, PartError
from partwise.parts.part import Part, kinds_of
from partwise.parts.registry import RegisteredPart, registry
from partwise.recipe.suggestions import did_you_mean, plugin_notes

from .registering import Per
from .violation import require

MODULE_KINDS = frozenset(
    {
        "embedding", "position", "score", "mixer", "feedforward", "router", "norm", "residual", "block", "model",
        "objective", "adapter",
    }
)  # fmt: skip
"""Kinds of the core whose parts build an `nn.Module`."""
OTHER_KINDS = frozenset(
    {
        "tokenizer",
        "initializer",
        "parametrisation",
        "data",
        "optimizer",
        "schedule",
        "trainer",
        "sampler",
        "tracker",
        "engine",
        "evaluation",
    }
)
"""Kinds whose parts build something else. Of any further kind, the first example is built to find out."""


@dataclass(frozen=True)
class Subject:
    """A case: what a check is called with, and its name."""

    label: str
    arguments: tuple[Any, ...]

    def matches(self, place: str) -> bool:
        """Whether the bracket in "check[place]" names this case: by its label, or by one word of it."""
        return place == self.label or place in self.label.split("-")


def family(part: Part | type[Part]) -> str:
    """The most general kind's name: an attention is a mixer."""
    return kinds_of(part if isinstance(part, type) else type(part))[-1].kind


@cache
def examples(part: type[Part]) -> tuple[Part, ...]:
    """The settings with which a part is to be checked.

    Raises:
        ContractViolation: `examples()` gives something other than settings of the part.
    """
    needed = [knob for knob, field in part.model_fields.items() if field.is_required()]
    own = any("examples" in vars(base) for base in part.__mro__ if base is not Part)
    require(own or not needed, f"it has no examples(), and {', '.join(needed)} must be given: yield settings to check")
    given: Any = part.examples()  # an author may forget to yield
    require(isinstance(given, Iterable), f"examples() gives {given!r}; yield settings such as `cls()`, or return them")
    found = tuple(given)
    for one in found:
        require(isinstance(one, part), f"examples() gives {one!r}, which is no {part.__name__}; yield `cls(...)`")
    return found


@cache
def builds_module(part: type[Part]) -> bool:
    """Whether what a part builds is an `nn.Module`."""
    kind = family(part)
    if kind in MODULE_KINDS or kind in OTHER_KINDS:
        return kind in MODULE_KINDS
    for example in examples(part):
        for site in part.sites().values():
            try:
                return isinstance(skeleton_of(example, site), nn.Module)
            except Exception:
                continue
    return False


def sites(part: Part) -> dict[str, Any]:
    """The sites of the part's kind where it fits, by name."""
    places = part.sites()
    return {place: site for place, site in places.items() if len(places) == 1 or fits(part, site)}


def skeleton_of(part: Part, site: Any) -> Any:
    """What the part builds, on the meta device."""
    anything: Any = part  # `skeleton` is meant for models
    return skeleton(anything, site)


def fits(part: Part, site: Any) -> bool:
    """Whether a part fits a site: building it there raises no `PartError`. (A check will show any other error.)"""
    try:
        skeleton_of(part, site)
    except PartError:
        return False
    except Exception:
        return True
    return True


def stands_for_others(part: Part) -> bool:
    """Whether it is a group of layers, which builds nothing itself."""
    unrolled = getattr(part, "unrolled", None)
    return unrolled is not None and unrolled() != (part,)


@cache
def subjects(part: type[Part], per: Per) -> tuple[Subject, ...]:
    """All cases of a check of `part`."""
    if per == "part":
        return (Subject("part", (part,)),)
    if per == "knob":
        return tuple(Subject(knob, (part, knob)) for knob in part.model_fields)
    if per == "place":  # enough for what is costly and depends on the site but little
        first: dict[str, Subject] = {}
        for subject in _at_sites(part):
            first.setdefault(subject.label.partition("-")[0], subject)
        return tuple(first.values())
    if per == "example":
        return tuple(Subject(str(index), (example,)) for index, example in enumerate(examples(part)))
    return tuple(_at_sites(part))


def _at_sites(part: type[Part]) -> Iterator[Subject]:
    for index, example in enumerate(examples(part)):
        if not stands_for_others(example):
            for place, site in sites(example).items():
                yield Subject(f"{index}-{place}", (example, site))


def _meant(name: str) -> Iterator[str]:
    """What a name may stand for if no part has it: a plugin, or a kind."""
    own = [entry.name for entry in registry().entries() if entry.name.partition("/")[0] == name and "/" in entry.name]
    if own:
        yield f"{name} is a plugin; its parts are {', '.join(own)}"
    if name in registry().kinds():
        yield f"{name} is a kind; all its parts: partwise verify --kind {name}"


def find(name: str, kind: str | None = None) -> RegisteredPart:
    """The registered part whose name is, or was, `name`; of `kind` if one is given.

    Raises:
        InputError: there is none, or there are several.
    """
    named = dict.fromkeys(registry().find(one, name) for one in registry().kinds().values())
    entries = [entry for part in named if part and (entry := registry().entry(part))]
    fitting = [entry for entry in entries if kind is None or kind in {one.kind for one in kinds_of(entry.part)}]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        kinds = ", ".join(entry.part.kind for entry in fitting)
        raise InputError(f"{name!r} is the name of several parts, of the kinds {kinds}; say which with --kind")
    if entries:
        raise InputError(f"{name!r} is no {kind}, but {', '.join(entry.part.kind for entry in entries)}")
    notes = "".join(f"\n  {note}" for note in (*_meant(name), *plugin_notes(name)))
    known = [entry.name for entry in registry().entries()]
    raise InputError(f"there is no part {name!r}{did_you_mean(name, known)}{notes}")
