"""Which run is this? One list of what is trained, and the three names that follow from it.

fingerprint      names what is trained; runs that differ only in their seed share it
run_identity     names one run: what is trained, the seed, and the texts
result_identity  names a result that studies share: also the code of the parts

All three take a recipe as JSON values with every default written out (`Recipe.resolved`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

TRAINED = ("data", "rows", "tokenizer", "model", "objective", "trainer", "start", "trainable", "adapter")
"""The choices that decide what is trained."""
ADDED: Mapping[str, Any] = {
    "rows": {"documents": "open", "draw": "independent", "packing": None},
    "start": None,
    "trainable": None,
    "adapter": None,
}
"""What recipes meant that were written before there was such a choice. One that still says this trains the same, and
its runs keep their names."""
REPEATED = ("partwise", "seed")
"""What tells one repetition of an experiment from another, and the format that says so."""
UNTRAINED = ("name", "about", "sampler", "trackers", "evaluations")
"""Labels, and choices that act after training or only watch it: recipes that differ only here train the same thing."""


def trained(recipe: Mapping[str, Any], *also: str) -> dict[str, Any]:
    """What of a recipe is trained, and what stands under the keys `also`.

    Of weights that it starts from, that is their hash, wherever they are.
    """
    said = {key: recipe[key] for key in (*TRAINED, *also) if key in recipe}
    found = {key: value for key, value in said.items() if key not in ADDED or value != ADDED[key]}
    if isinstance(start := found.get("start"), Mapping):
        found["start"] = {"sha256": start.get("sha256")}
    return found


def fingerprint(recipe: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits that change whenever what is trained changes."""
    return _hash(trained(recipe), compact=True)[:10]


def run_identity(recipe: Mapping[str, Any], data_hash: str | None) -> str:
    """A hash that tells the checkpoints of one run from those of another."""
    return _hash([trained(recipe, *REPEATED), data_hash])


def result_identity(recipe: Mapping[str, Any], seed: int, data_hash: str, code: Sequence[Sequence[str]]) -> str:
    """Twenty hexadecimal digits that change with everything that decides a run's result. Runs of one identity, in
    whichever study, are one run.

    Args:
        code: pairs of a part's kind and name, and a hash of its source; sorted.
    """
    facts = {"recipe": trained(recipe), "seed": seed, "data": data_hash, "code": code}
    return _hash(facts)[:20]


def _hash(value: Any, compact: bool = False) -> str:
    separators = (",", ":") if compact else None  # names given long ago stay what they are
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=separators).encode()).hexdigest()


__all__ = [
    "ADDED",
    "REPEATED",
    "TRAINED",
    "UNTRAINED",
    "fingerprint",
    "result_identity",
    "run_identity",
    "trained",
]
