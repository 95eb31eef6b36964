"""Variants: what is impossible about any of them is reported for all, at its place in the study."""

from __future__ import annotations

import pytest

from partwise.studies.definition.reading import load_study
from partwise.studies.definition.variants import variants

from .refused import points_at, refused


def test_impossible_variants_are_all_found_with_their_names_and_places(study) -> None:
    heads = {"at": "model.blocks.*.mixer.heads", "values": [2, 3, 5]}
    wide = {"values": {"narrow": {"model": {"width": 15}}}}
    text = refused(study(factors={"heads": heads, "size": wide}))
    assert "heads 3 does not divide width 16" in text
    assert "heads 5 does not divide width 16" in text
    assert "heads 2 does not divide width 15" in text
    assert "note: in variant heads=3 (factors.heads.values.1)" in text
    assert "note: in variant size=narrow (factors.size.values.narrow)" in text
    assert text.count("at model.blocks.0.mixer") == 3
    assert all(line.startswith("mine.json:5:") for line in text.splitlines() if "does not divide" in line)


def test_mistakes_of_every_step_are_reported_at_once(study) -> None:
    factors = {
        "typo": {"at": "model.positon", "values": ["rope"]},
        "seed": {"values": [{"seed": 3}]},
        "unknown": {"at": "model.position", "values": ["rop"]},
        "heads": {"at": "model.blocks.*.mixer.heads", "values": [3]},
    }
    tune = {"at": "trainer.optimizer.lrr", "values": [0.1, 0.2]}
    text = refused(study(factors=factors, tune=tune))
    for message in ("no 'positon'", "'seed' is nothing", "unknown position 'rop'", "does not divide", "'lrr'"):
        assert text.count(message) == 1, message


@pytest.mark.parametrize("design", ["one_at_a_time", "grid", "leave_one_out"])
def test_a_factor_that_leaves_the_base_as_it_is_compares_nothing(study, design: str) -> None:
    factor = {"at": "model.position", "values": ["none"], "off": "none"}
    path = study(factors={"position": factor}, design=design)
    text = refused(path)
    assert "there is nothing to compare" in text
    assert points_at(text, "nothing to compare", path).startswith('{"at": "model.position"')


def test_schema_only_assembles_nothing(study) -> None:
    path = study(factors={"heads": {"at": "model.blocks.*.mixer.heads", "values": [3]}})
    assert [one.name for one in variants(load_study(path), assemble=False).candidates] == ["base", "heads=3"]


def test_variants_that_are_one_recipe_are_refused(study) -> None:
    factor = {"at": "model.position", "values": {"a": "rope", "b": {"use": "rope", "base": 10000.0}}}
    text = refused(study(factors={"position": factor}))
    assert "variants position=a and position=b are one and the same recipe" in text
