"""No check is left without a mistake that it is known to find, and no part without a place to be checked at."""

from __future__ import annotations

from partwise import Part
from partwise.kinds import BlockPart

from . import (
    catalogue,
    checks_knobs,
    checks_mixers,
    checks_models,
    checks_modules,
    checks_parts,
    checks_pointwise,
    checks_positions,
    checks_samplers,
    checks_text,
    checks_training,
    test_planted_mixers,
    test_planted_models,
    test_planted_parts,
    test_planted_text,
    test_planted_training,
)

CHECKS = (
    checks_knobs,
    checks_mixers,
    checks_models,
    checks_modules,
    checks_parts,
    checks_pointwise,
    checks_positions,
    checks_samplers,
    checks_text,
    checks_training,
)
PLANTED = (test_planted_models, test_planted_parts, test_planted_text, test_planted_training)
PLACELESS = {"data", "tokenizer", "optimizer"}
"""Kinds whose checks make the places themselves."""


def test_every_check_has_a_mistake_to_find() -> None:
    checks = {name for module in CHECKS for name in vars(module) if name.startswith("check_")}
    planted = {kill.check.__name__ for module in PLANTED for kill in module.KILLS}
    planted |= {check.__name__ for _, check in test_planted_mixers.MIXERS}
    assert not checks - planted


def test_there_are_parts_of_every_kind() -> None:
    present = {catalogue.family(entry.part) for entry in catalogue.entries()}
    assert present >= {*catalogue.SITES, *PLACELESS}


def test_every_example_of_every_part_has_a_place_where_it_is_checked() -> None:
    left_out = [
        f"{catalogue.identity(entry)}[{index}]"
        for entry in catalogue.entries()
        for index, part in enumerate(catalogue.examples(entry.part))
        if catalogue.family(part) not in PLACELESS and not catalogue.sites(part) and not _is_a_group(part)
    ]
    assert not left_out


def _is_a_group(part: Part) -> bool:
    """A group of layers builds nothing itself."""
    return isinstance(part, BlockPart) and part.unrolled() != (part,)
