"""Which of our modules is which of theirs: those whose tensors the weight map makes from one another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partwise.huggingface.weight_entry import Matched

Links = Mapping[str, Collection[str]]
"""Tensors of theirs that a tensor of ours is made from."""


@dataclass(frozen=True)
class Pair:
    """Modules that compute the same, if the recipe is right; several where one side has fused theirs."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{_side_by_side(self.ours)} | {_side_by_side(self.theirs)}"


def _side_by_side(names: Sequence[str]) -> str:
    """`a.b + a.c`, as `a.(b + c)`."""
    above = names[0].rpartition(".")[0]
    if len(names) == 1 or not above or any(name.rpartition(".")[0] != above for name in names):
        return " + ".join(names)
    return f"{above}.({' + '.join(name.rpartition('.')[2] for name in names)})"


WHOLE = Pair(("",), ("",))
"""The two models."""


def pairs(plan: Iterable[Matched], ours: Collection[str], theirs: Collection[str]) -> list[Pair]:
    """
    Args:
        ours, theirs: the names of all modules that are called.
    """
    links: dict[str, list[str]] = {}
    for matched in plan:
        for name in matched.entry.ours:
            links.setdefault(name, []).extend(matched.theirs)
    owners = [*_owners(links, ours, theirs)]
    taken = {name for pair in owners for name in pair.theirs}
    return [*owners, *(pair for pair in _containers(links, ours, theirs) if pair.theirs[0] not in taken)]


def _owners(links: Links, ours: Collection[str], theirs: Collection[str]) -> Iterable[Pair]:
    """The modules that hold tensors, grouped so that no tensor is shared between two groups."""
    groups: list[tuple[list[str], list[str]]] = []
    for name, made_from in links.items():
        own = [one for one in [_owner(name, ours)] if one]
        other = [one for one in dict.fromkeys(_owner(one, theirs) for one in made_from) if one]
        if not own or not other:
            continue
        for group in [one for one in groups if set(one[0]) & set(own) or set(one[1]) & set(other)]:
            groups.remove(group)
            own, other = list(dict.fromkeys([*group[0], *own])), list(dict.fromkeys([*group[1], *other]))
        groups.append((own, other))
    for own, other in groups:
        yield Pair(_outermost(own), _outermost(other))


def _owner(tensor: str, modules: Collection[str]) -> str:
    """The module that holds a tensor, or the nearest around it that is called."""
    name = tensor.rpartition(".")[0]
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


def _outermost(names: Sequence[str]) -> tuple[str, ...]:
    """Without those that are within another."""
    return tuple(name for name in names if not any(name.startswith(f"{other}.") for other in names))


def _containers(links: Links, ours: Collection[str], theirs: Collection[str]) -> Iterable[Pair]:
    """Modules all of whose tensors are made from all of another's: blocks, attentions, feed-forwards."""
    mapped = {name for made_from in links.values() for name in made_from}
    by_tensors: dict[frozenset[str], str] = {}
    for name in theirs:
        inside = frozenset(one for one in mapped if one.startswith(f"{name}."))
        if name and inside:
            by_tensors.setdefault(inside, name)
    seen: set[frozenset[str]] = set()
    for name in ours:
        inside = frozenset(one for one in links if one.startswith(f"{name}."))
        made_from = frozenset(one for tensor in inside for one in links[tensor])
        elsewhere = {one for tensor, others in links.items() if tensor not in inside for one in others}
        if name and inside and made_from in by_tensors and not made_from & elsewhere and made_from not in seen:
            seen.add(made_from)
            yield Pair((name,), (by_tensors[made_from],))


def around(pairs: Sequence[Pair], *places: Pair) -> Pair:
    """The smallest pair of modules that has all these places within it."""
    holding = [pair for pair in pairs if len(pair.ours) == 1 and all(_holds(pair, place) for place in places)]
    return max(holding, key=lambda pair: len(pair.ours[0]), default=WHOLE)


def _holds(pair: Pair, place: Pair) -> bool:
    return all(name == pair.ours[0] or name.startswith(f"{pair.ours[0]}.") for name in place.ours)
