"""What there is to check: every registered part, under its own examples, at every site where it fits.

A *case* is one example of a part at one site of its kind. Nothing about a part is guessed: its settings are
its own `examples()`, and whether it fits a site is asked by building it there on the meta device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from partwise import Part, PartError
from partwise.assembly import skeleton
from partwise.registry import Entry, kinds_of, registry
from partwise.sites import EmbeddingSite, HeadSite, LayerSite, ModelSite, PositionSite, ScheduleSite, WidthSite

WIDTH, CONTEXT, MEMORY_WIDTH, VOCABULARY = 16, 16, 12, 13
LAYER = LayerSite(width=WIDTH, layer=1, depth=2, context=CONTEXT)

SITES: dict[str, dict[str, Any]] = {
    "embedding": {"model": EmbeddingSite(vocabulary=VOCABULARY, width=WIDTH)},
    "position": {
        "decoder": PositionSite(width=WIDTH, context=CONTEXT, heads=4, head_width=4),
        "encoder": PositionSite(width=WIDTH, context=CONTEXT, heads=4, head_width=4, causal=False),
    },
    "rope_scaling": {"head": PositionSite(width=WIDTH, context=CONTEXT, heads=4, head_width=4)},
    "score": {"head": HeadSite(heads=4, head_width=4)},
    "mixer": {
        "decoder": LAYER,
        "encoder": replace(LAYER, causal=False),
        "cross": replace(LAYER, memory_width=MEMORY_WIDTH).over_memory(),
    },
    "feedforward": {"layer": LAYER},
    "norm": {"layer": WidthSite(WIDTH)},
    "block": {
        "decoder": replace(LAYER, memory_width=MEMORY_WIDTH),
        "encoder": replace(LAYER, causal=False),
    },
    "initializer": {"model": LAYER},
    "model": {"recipe": ModelSite(vocabulary=VOCABULARY)},
    "sampler": {"recipe": None},
    "schedule": {"trainer": ScheduleSite(steps=20)},
    "trainer": {"recipe": None},
}
"""Small places for parts of each kind; the numbers differ wherever code could mistake one for another."""


@dataclass(frozen=True)
class Case:
    """One example of a part, at one site."""

    entry: Entry
    index: int
    part: Part
    place: str
    site: Any

    def __str__(self) -> str:
        return f"{identity(self.entry)}[{self.index}]-{self.place}"


def identity(entry: Entry) -> str:
    """`mixer/gru`, `norm/acme/fancy`."""
    return f"{entry.part.kind}/{entry.name}"


def family(part: Part | type[Part]) -> str:
    """The most general kind's name: an attention is a mixer."""
    return kinds_of(part if isinstance(part, type) else type(part))[-1].kind


@cache
def examples(part: type[Part]) -> tuple[Part, ...]:
    """The settings under which a part wants to be checked."""
    return tuple(part.examples())


@cache
def entries(kind: str | None = None) -> tuple[Entry, ...]:
    """Every registered part, or those of one kind."""
    return tuple(entry for entry in registry().entries() if kind in (None, family(entry.part)))


def sites(part: Part) -> dict[str, Any]:
    """The sites of the part's kind where it fits, by the names of the places."""
    return {place: site for place, site in SITES.get(family(part), {}).items() if fits(part, site)}


def fits(part: Part, site: Any) -> bool:
    """Whether a part says that it can stand at a site. To fail otherwise counts as fitting: a check will show it."""
    try:
        skeleton(part, site)
    except PartError:
        return False
    except Exception:
        return True
    return True


@cache
def cases(*kinds: str) -> tuple[Case, ...]:
    """Every case of some kinds."""
    return tuple(case for kind in kinds for entry in entries(kind) for case in _cases_of(entry))


@cache
def module_cases(*kinds: str) -> tuple[Case, ...]:
    """As `cases`, but in an encoder only what fits no decoder: enough for what the place does not change."""
    fitting = {(identity(case.entry), case.index) for case in cases(*kinds) if case.place == "decoder"}
    return tuple(
        case for case in cases(*kinds) if case.place != "encoder" or (identity(case.entry), case.index) not in fitting
    )


def _cases_of(entry: Entry) -> Iterator[Case]:
    for index, part in enumerate(examples(entry.part)):
        for place, site in sites(part).items():
            yield Case(entry, index, part, place, site)
