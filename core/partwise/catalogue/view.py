"""The content of the catalogue's pages, for the templates to render."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pydantic.fields import FieldInfo

from partwise.documented import field_docs
from partwise.parts.part import Part, formulas_of, kinds_of
from partwise.parts.plugins import Plugin
from partwise.parts.registry import RegisteredPart, registry
from partwise.parts.shapes import shape_of
from partwise.provenance.sources import source_line
from partwise.recipe.knob_types import in_words
from partwise.rendering.text import lines, printable

from . import prose
from .check_results import CheckResult, ResultsByPart, counts
from .slots import OwnedSlot, kinds_within, slots, slots_for
from .snippets import Snippets, default_of, snippets
from .used import ReadRecipe, read_recipes

LONGEST_NAME = 120
"""Most characters of a file name; a longer one is cut, and a digest is added."""


@dataclass(frozen=True)
class Knob:
    """One row of a table of knobs."""

    name: str
    takes: str
    required: bool
    default: str
    about: str
    kinds: tuple[type[Part], ...]
    """Kinds of the parts that it holds."""


@dataclass(frozen=True)
class PartView:
    """One part's page."""

    entry: RegisteredPart
    fitting: tuple[OwnedSlot, ...]
    """The slots that it fits."""
    recipes: tuple[ReadRecipe, ...]
    """Recipes that use it."""
    checks: tuple[CheckResult, ...] | None
    """The results of its verification; None if it was not verified."""
    stale: bool = False
    """Whether they are of other code than what is installed."""

    @property
    def part(self) -> type[Part]:
        return self.entry.part

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def kind(self) -> str:
        return self.part.kind

    @property
    def plugin(self) -> Plugin:
        return self.entry.plugin

    @property
    def page(self) -> str:
        """Its file, from the catalogue's directory."""
        return part_page(self.entry)

    @cached_property
    def line(self) -> str:
        return prose.first_line(self.part) or "No description."

    @cached_property
    def rest(self) -> str:
        return prose.rest(self.part)

    @cached_property
    def formulas(self) -> tuple[str, ...]:
        """Its equations, in LaTeX."""
        return formulas_of(self.part)

    @cached_property
    def formula(self) -> str | None:
        """The formula in its first line, unless it has equations or the description below has one."""
        return None if self.formulas or re.search(r"(?:^|\n)    \S", self.rest) else prose.formula(self.line)

    @cached_property
    def papers(self) -> list[prose.Paper]:
        return prose.papers(prose.text_of(self.part))

    @cached_property
    def knobs(self) -> tuple[Knob, ...]:
        """The knobs, required ones first."""
        knobs = [_knob(name, self.part.model_fields[name], about) for name, about in field_docs(self.part).items()]
        return tuple(sorted(knobs, key=lambda knob: not knob.required))

    @cached_property
    def kinds(self) -> list[type[Part]]:
        """Its kinds, the most specific first."""
        return kinds_of(self.part)

    @cached_property
    def snippets(self) -> Snippets | None:
        return snippets(self.part, list(self.fitting))

    @cached_property
    def former(self) -> list[str]:
        """Its former names."""
        return [self.name.removesuffix(self.part.name) + alias for alias in self.part.aliases]

    @cached_property
    def counts(self) -> dict[str, int]:
        return counts(self.checks or ())

    @property
    def verified(self) -> bool | None:
        """Whether it passes its contract; None if it was not verified, or nothing could be checked."""
        seen = self.counts["passed"] + self.counts["expected"] + self.counts["failed"]
        return not self.counts["failed"] if seen else None

    @property
    def source(self) -> str:
        """Where its code is."""
        return source_line(self.part)


@dataclass(frozen=True)
class KindView:
    """A kind, with its parts."""

    type: type[Part]
    parts: tuple[PartView, ...]
    """Parts of exactly this kind; those of more specific kinds are listed there."""

    @property
    def name(self) -> str:
        return self.type.kind

    @property
    def about(self) -> str:
        return prose.first_line(self.type)

    @property
    def anchor(self) -> str:
        return anchor(self.name)


@dataclass(frozen=True)
class Catalogue:
    """Everything that is installed."""

    results: ResultsByPart = field(default_factory=dict)
    origin: str | None = None
    """The source of the results, in words; None if there are none."""
    stale: frozenset[tuple[str, str]] = frozenset()
    """Kinds and names of parts whose results are of other code."""

    @cached_property
    def parts(self) -> tuple[PartView, ...]:
        every = slots()
        return tuple(
            PartView(
                entry,
                tuple(slots_for(entry.part, every)),
                tuple(one for one in self.recipes if entry.part in one.parts),
                self.results.get((entry.part.kind, entry.name)),
                (entry.part.kind, entry.name) in self.stale,
            )
            for entry in registry().entries()
        )

    @cached_property
    def kinds(self) -> tuple[KindView, ...]:
        """Every kind by name, including those whose parts are all of more specific kinds."""
        return tuple(
            KindView(kind, tuple(one for one in self.parts if one.kind == name))
            for name, kind in registry().kinds().items()
        )

    @cached_property
    def recipes(self) -> list[ReadRecipe]:
        return read_recipes()

    @property
    def broken(self) -> Sequence[Plugin]:
        return registry().broken

    def more_special(self, kind: KindView) -> list[KindView]:
        """The kinds whose parts are also of this one."""
        return [one for one in self.kinds if one is not kind and issubclass(one.type, kind.type)]

    def fitting(self, kind: type[Part]) -> list[PartView]:
        """The parts that fit a slot of a kind."""
        return [one for one in self.parts if issubclass(one.part, kind)]

    def view_of(self, part: type[Part] | None) -> PartView | None:
        return next((one for one in self.parts if one.part is part), None)

    def called(self, name: str) -> PartView | None:
        """The part of that name; None if there is none, or more than one."""
        found = [one for one in self.parts if one.name == name]
        return found[0] if len(found) == 1 else None


def file_name(name: str) -> str:
    """A name as part of a file name, `acme~sinks`; unique even where file names ignore case."""
    safe = re.sub(r"[^a-z0-9_./-]|^\.|\.(?![a-z0-9])", lambda match: f"={ord(match[0]):x}=", name).replace("/", "~")
    if len(safe) > LONGEST_NAME:
        safe = f"{safe[:LONGEST_NAME]}={hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:16]}"
    return safe


def part_page(entry: RegisteredPart) -> str:
    """A part's file, from the catalogue's directory."""
    return f"parts/{file_name(entry.part.kind).replace('.', '=2e=')}.{file_name(entry.name)}.html"


def anchor(kind: str) -> str:
    """The anchor of a kind on the index page."""
    return f"kind-{file_name(kind)}"


def recipe_page(name: str) -> str:
    """A recipe's file, from the catalogue's directory."""
    return f"recipes/{file_name(name)}.html"


def _knob(name: str, field: FieldInfo, about: str) -> Knob:
    shape = shape_of(field)
    default = "" if field.is_required() else json.dumps(default_of(field), ensure_ascii=False)
    kinds = tuple(kinds_within(shape))
    told = " ".join(lines(about).split())
    return Knob(name, printable(in_words(shape)), field.is_required(), printable(default), told, kinds)


__all__ = ["Catalogue", "KindView", "Knob", "PartView", "anchor", "file_name", "part_page", "recipe_page"]
