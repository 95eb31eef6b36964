"""Designs: which variants there are, what they are called, and what they change."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from partwise.studies.definition.reading import load_study
from partwise.studies.definition.variants import Variants, variants

NORM = {"at": ["model.blocks.*.norm", "model.final_norm"], "values": ["layer_norm", "rms_norm"]}
POSITION = {"at": "model.position", "values": ["rope", "alibi"]}


def found(path) -> Variants:
    return variants(load_study(path), assemble=False)


def names(path) -> list[str]:
    return [one.name for one in found(path).candidates]


def recipe_of(path, name: str) -> dict[str, Any]:
    return next(one for one in found(path).candidates if one.name == name).loaded.recipe.resolved()


def test_one_at_a_time_changes_one_factor_and_has_the_base_once(study) -> None:
    path = study(factors={"position": POSITION, "norm": NORM})
    assert names(path) == ["base", "position=rope", "position=alibi", "norm=rms_norm"]


def test_a_grid_has_every_combination_of_levels_the_base_first(study) -> None:
    path = study(factors={"position": POSITION, "norm": NORM}, design="grid")
    table = found(path)
    levels = [tuple(one.choice.labels.values()) for one in table.candidates]
    assert levels == list(product(["none", "rope", "alibi"], ["layer_norm", "rms_norm"]))
    assert table.candidates[0].name == "base"
    assert table.candidates[-1].name == "position=alibi, norm=rms_norm"


def test_leave_one_out_takes_each_factor_away_from_the_full_base(study) -> None:
    position = {"at": "model.position", "baseline": "rope", "off": "none"}
    norm = {"at": "model.final_norm", "off": "none"}
    path = study(factors={"position": position, "norm": norm}, design="leave_one_out")
    assert names(path) == ["base", "position=none", "norm=none"]
    assert recipe_of(path, "base")["model"]["position"]["use"] == "rope"
    without = recipe_of(path, "norm=none")["model"]
    assert (without["position"]["use"], without["final_norm"]["use"]) == ("rope", "none")


def test_a_list_runs_the_patches_it_names(study) -> None:
    listed = {"wide": {"model": {"width": 32}}, "wide and rotary": {"model": {"width": 32, "position": "rope"}}}
    path = study(factors=None, variants=listed, design="list")
    assert names(path) == ["base", "wide", "wide and rotary"]
    assert found(path).factors == {"variant": ["base", "wide", "wide and rotary"]}
    assert recipe_of(path, "wide and rotary")["model"]["position"]["use"] == "rope"


def test_a_baseline_that_is_not_declared_is_the_value_that_changes_nothing(study) -> None:
    values = ["rms_norm", {"use": "layer_norm", "eps": 1e-5}]
    path = study(factors={"norm": {"at": "model.final_norm", "values": values}})
    assert found(path).factors == {"norm": ["layer_norm (eps 1e-05)", "rms_norm"]}


def test_or_what_the_base_has_if_no_value_is_the_same(study) -> None:
    path = study(factors={"position": POSITION, "width": {"at": "model.width", "values": [32]}})
    assert found(path).factors == {"position": ["none", "rope", "alibi"], "width": ["16", "32"]}


def test_a_declared_baseline_changes_the_base(study) -> None:
    path = study(factors={"position": {**POSITION, "baseline": "alibi"}, "norm": NORM})
    assert names(path) == ["base", "position=rope", "norm=rms_norm"]
    assert recipe_of(path, "base")["model"]["position"]["use"] == "alibi"
    assert recipe_of(path, "norm=rms_norm")["model"]["position"]["use"] == "alibi"


def test_a_factor_sets_several_places_at_once(study) -> None:
    model = recipe_of(study(), "norm=rms_norm")["model"]
    assert model["final_norm"]["use"] == "rms_norm"
    assert [block["norm"]["use"] for block in model["blocks"]] == ["rms_norm"]


def test_another_part_replaces_the_old_one_whole_and_a_patch_is_merged(study) -> None:
    patched = {"at": "model.blocks.*.feedforward", "values": {"thin": {"ratio": 2.0}, "gated": {"use": "swiglu"}}}
    path = study(factors={"feedforward": patched})
    thin = recipe_of(path, "feedforward=thin")["model"]["blocks"][0]["feedforward"]
    gated = recipe_of(path, "feedforward=gated")["model"]["blocks"][0]["feedforward"]
    assert (thin["use"], thin["ratio"]) == ("gelu", 2.0)
    assert gated["use"] == "swiglu"
    assert gated["ratio"] == pytest.approx(8 / 3)


def test_labels_are_short_and_tell_values_apart(study) -> None:
    values = ["rope", {"use": "rope", "base": 500.0}, None, 3]
    labels = found(study(factors={"f": {"at": "trainer.clip", "values": [0.5, 2.0, None]}})).factors["f"]
    assert labels == ["1.0", "0.5", "2.0", "null"]
    labels = found(study(factors={"f": {"at": "model.position", "values": values[:2]}})).factors["f"]
    assert labels == ["none", "rope", "rope (base 500.0)"]
