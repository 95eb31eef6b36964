"""Settings with one value for each layer, `layer_types`: a pattern of layers in the recipe, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from partwise.errors import InputError
from partwise.recipe import LoadedRecipe
from partwise.recipe.paths import values_at

from .arithmetic import computed
from .config_entry import Every, First, LayerCase, LayerList, Setting
from .config_map import ConfigMap, Flat, is_like, one_value, same, shown

Layer = dict[str, Any]


def with_layer_lists(
    config_map: ConfigMap, config: Mapping[str, Any], loaded: LoadedRecipe, change: Callable[[list[str]], LoadedRecipe]
) -> list[str]:
    """The changes that give each layer what the lists say of it: every pattern of layers, as short as it can be.

    Args:
        loaded: the recipe with all other changes.
        change: makes more changes to it.

    Raises:
        InputError: a list is missing, is of another length, or has a value that the map does not know.
    """
    flat = config_map.flat(config)
    changes: list[str] = []
    for blocks in dict.fromkeys(one.blocks for one in config_map.layers):
        lists = [one for one in config_map.layers if one.blocks == blocks]
        layers = layers_of(loaded.recipe.resolved(), blocks, lists[0].depth)
        if not layers:
            raise InputError(f"{blocks}: the family's recipe has no layers there")
        step = [f"{blocks}={json.dumps(layers)}"]
        for one in lists:
            step += _in_layers(config_map, one, flat, len(layers))
        changed = shortest(layers_of(change(step).recipe.resolved(), blocks, lists[0].depth))
        changes.append(f"{blocks}={json.dumps(changed)}")
    return changes


def lists_of_recipe(lists: Sequence[LayerList], recipe: Mapping[str, Any]) -> Flat:
    """The settings that say what each layer of a resolved recipe has.

    Raises:
        InputError: a layer has what no value stands for, or layers differ in what is one setting for all.
    """
    flat: Flat = {}
    for one in lists:
        layers = layers_of(recipe, one.blocks, one.depth)
        cases = [_case_of_layer(one, layer, index) for index, layer in enumerate(layers)]
        flat[one.key] = _said(one, [case.value for case in cases])
        for setting in dict.fromkeys(setting.key for case in one.cases for setting in case.settings):
            values = [
                (known, value)
                for case, layer in zip(cases, layers, strict=True)
                for known in case.settings
                if known.key == setting
                for path in known.at
                for value in values_at(layer, path)
            ]
            if values or not _only_computed(one, setting):
                flat[setting] = one_value(values[0][0], [value for _, value in values]) if values else None
    return flat


def computed_in_layers(lists: Sequence[LayerList], recipe: Mapping[str, Any]) -> list[tuple[Setting, Layer]]:
    """Settings that are found again from knobs computed from them, each with the first layer that has these."""
    found: dict[str, tuple[Setting, Layer]] = {}
    for one in lists:
        for index, layer in enumerate(layers_of(recipe, one.blocks, one.depth)):
            for setting in _case_of_layer(one, layer, index).settings:
                if not setting.at and setting.computed:
                    found.setdefault(setting.key, (setting, layer))
    return list(found.values())


def _only_computed(one: LayerList, key: str) -> bool:
    return not any(setting.at for case in one.cases for setting in case.settings if setting.key == key)


def _said(one: LayerList, values: list[Any]) -> Any:
    """What the key says where layers have these values."""
    if one.counts is None:
        return values
    count = next((index for index, value in enumerate(values) if not same(value, one.counts.first)), len(values))
    if any(same(value, one.counts.first) for value in values[count:]):
        raise InputError(f"{one.blocks}: {one.key} is a number of first layers, and some of those are further up")
    return count


def layers_of(recipe: Mapping[str, Any], blocks: str, depth: str) -> list[Layer]:
    """The layers one by one, their pattern repeated; empty if the recipe has none there."""
    pattern = next(values_at(recipe, blocks), None) or []
    count = next(values_at(recipe, depth), None) or len(pattern)
    return [pattern[index % len(pattern)] for index in range(count)] if pattern else []


def shortest(layers: Sequence[Layer]) -> list[Layer]:
    """The shortest pattern that, repeated until there are as many, gives the layers."""
    for length in range(1, len(layers)):
        if all(layer == layers[index % length] for index, layer in enumerate(layers)):
            return list(layers[:length])
    return list(layers)


def _in_layers(config_map: ConfigMap, one: LayerList, flat: Flat, depth: int) -> list[str]:
    changes = []
    for index, value in enumerate(_values(config_map, one, flat, depth)):
        case = next((case for case in one.cases if same(case.value, value)), None)
        if case is None:
            known = ", ".join(shown(case.value) for case in one.cases)
            raise InputError(
                f"config.json: {one.key} has {shown(value)} for layer {index}; this family's map knows {known}"
            )
        place = f"{one.blocks}.{index}"
        changes += [f"{place}.{path}={json.dumps(wanted)}" for path, wanted in case.set.items()]
        for setting in case.settings:
            knobs = config_map.knobs(setting, flat)
            changes += [f"{place}.{path}={json.dumps(value)}" for path, value in knobs.items()]
    return changes


def _values(config_map: ConfigMap, one: LayerList, flat: Flat, depth: int) -> Sequence[Any]:
    given = flat.get(one.key)
    if one.counts is not None:
        return _first(one, one.counts, given, depth)
    if given is None:
        return _default(config_map, one, flat, depth)
    if not isinstance(given, list | tuple):
        raise InputError(
            f"config.json: {one.key} is {shown(given)}, where a list with a value for each layer is needed"
        )
    if len(given) != depth:
        raise InputError(f"config.json: {one.key} has {len(given)} values for {depth} layers")
    return given


def _first(one: LayerList, counts: First, given: Any, depth: int) -> Sequence[Any]:
    count = counts.default if given is None else given
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise InputError(f"config.json: {one.key} is {shown(count)}, where a number of layers is needed")
    return [counts.first if index < count else counts.others for index in range(depth)]


def _default(config_map: ConfigMap, one: LayerList, flat: Flat, depth: int) -> Sequence[Any]:
    if isinstance(one.default, Every):
        every = one.default.every
        try:
            length = int(computed(str(every), lambda key: config_map.named(key, flat)))
            if length < 1:
                raise ValueError(f"{every!r} is {length}")
        except ValueError as error:
            raise InputError(f"config.json: {one.key} is not there, and its default {error}") from None
        return [one.default.others if (index + 1) % length else one.default.last for index in range(depth)]
    if not one.default:
        raise InputError(
            f"config.json: {one.key} is not there, and this family has no default for it; write it there, or give the "
            'list a "default" in the map'
        )
    return [one.default[index % len(one.default)] for index in range(depth)]


def _case_of_layer(one: LayerList, layer: Layer, index: int) -> LayerCase:
    for case in one.cases:
        told = [value for setting in case.settings for path in setting.at for value in values_at(layer, path)]
        if all(value is not None for value in told) and all(_has(layer, *item) for item in case.set.items()):
            return case
    raise InputError(f"{one.blocks}: {one.key} has no value for what layer {index} is")


def _has(layer: Layer, path: str, wanted: Any) -> bool:
    found = list(values_at(layer, path))
    return bool(found) and all(is_like(value, wanted) for value in found)
