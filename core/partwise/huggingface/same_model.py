"""A recipe written out, so that two that make the same model are equal: for comparing a family's with a run's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from partwise.recipe import LoadedRecipe, load
from partwise.recipe.paths import values_at

from .config_entry import Setting
from .config_map import ConfigMap, measured
from .layer_lists import layers_of, shortest

STACKS = (
    ("model.blocks", "model.depth"),
    ("model.encoder", "model.encoder_depth"),
    ("model.decoder", "model.decoder_depth"),
)
"""Patterns of layers, and the numbers of layers, of the built-in models."""


def written_out(loaded: LoadedRecipe, config_map: ConfigMap, rows: Mapping[str, int]) -> LoadedRecipe:
    """The recipe with every pattern of layers as short as it can be, the number of layers as a number, and the knobs
    that are null and have been measured in the model as numbers.

    Args:
        rows: the number of rows of each of the model's tensors.
    """
    recipe = loaded.recipe.resolved()
    for setting in config_map.every_setting():
        if setting.rows is not None:
            _write_measured(recipe, setting, rows)
    for blocks, depth in dict.fromkeys([*STACKS, *((one.blocks, one.depth) for one in config_map.layers)]):
        layers = layers_of(recipe, blocks, depth)
        if layers:
            _put(recipe, depth, len(layers))
            _put(recipe, blocks, shortest(layers))
    return load(recipe)


def _write_measured(recipe: dict[str, Any], setting: Setting, rows: Mapping[str, int]) -> None:
    value = measured(setting, rows)
    for path in setting.at if value is not None else ():
        above, _, knob = path.rpartition(".")
        for part in values_at(recipe, above):
            if isinstance(part, dict) and knob in part:
                part[knob] = value if part[knob] is None else part[knob]
                for replaced in setting.replaces:
                    part.pop(replaced, None)


def _put(recipe: Mapping[str, Any], path: str, value: Any) -> None:
    above, _, key = path.rpartition(".")
    for place in values_at(recipe, above):
        place[key] = value
