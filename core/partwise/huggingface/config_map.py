"""From the settings in a checkpoint's config.json to the choices of a recipe, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from partwise.errors import InputError
from partwise.recipe.paths import values_at

Flat = dict[str, Any]
"""Settings by dotted keys: `rope_scaling.factor`."""


class Setting(BaseModel):
    """One setting that is a knob of the recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    at: list[str]
    """Paths of the knobs that have its value."""
    default: Any = None
    """Its value where config.json leaves it out; null: the recipe's own."""


class Case(BaseModel):
    """One way to decide a choice: config.json has `when`, and the recipe has `set`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: dict[str, Any]
    set: dict[str, Any]
    settings: list[Setting] = []


class ConfigMap(BaseModel):
    """Settings that are knobs, settings that decide between parts, and settings with only one possible value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: list[Setting] = []
    choices: list[list[Case]] = []
    """Of each list, the first case that applies is taken; the first of the list if config.json does not mention it."""
    fixed: dict[str, Any] = {}
    """The only value that the recipe's parts allow; also assumed where config.json leaves it out."""
    aliases: dict[str, str] = {}
    """Newer or older keys -> the keys used here."""

    def overrides(self, config: Mapping[str, Any]) -> list[str]:
        """Changes that make the family's recipe one for a checkpoint with these settings.

        Raises:
            InputError: a setting has a value that the map does not know.
        """
        flat = self._flat(config)
        self._check_fixed(flat)
        cases = [_case_of_config(choice, flat) for choice in self.choices]
        changes = [change for case in cases for change in case.set.items()]
        for setting in self._settings(cases):
            value = flat.get(setting.key)
            value = setting.default if value is None else value
            if value is not None:
                changes += [(path, value) for path in setting.at]
        return [f"{path}={json.dumps(value)}" for path, value in changes]

    def config(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a resolved recipe.

        Raises:
            InputError: the recipe makes a choice that no setting stands for.
        """
        flat: Flat = dict(self.fixed)
        cases = [_case_of_recipe(choice, recipe) for choice in self.choices]
        for case in cases:
            flat |= case.when
        for setting in self._settings(cases):
            value = _one_value(setting, recipe)
            if value is not None:
                flat[setting.key] = value
        return _nested(flat)

    def _check_fixed(self, flat: Flat) -> None:
        for key, value in self.fixed.items():
            if flat.get(key, value) != value:
                raise InputError(
                    f"config.json: {key} is {_shown(flat[key])}, but this family's recipe has {_shown(value)}"
                )

    def _settings(self, cases: list[Case]) -> list[Setting]:
        return [*self.settings, *(setting for case in cases for setting in case.settings)]

    def _flat(self, config: Mapping[str, Any]) -> Flat:
        flat = dict(_flattened(config))
        for alias, key in self.aliases.items():
            if alias in flat and flat.get(key) is None:
                flat[key] = flat[alias]
        return flat


def _case_of_config(choice: list[Case], flat: Flat) -> Case:
    """The case that the settings make; the first if they do not mention the choice."""
    keys = {key: flat.get(key) for case in choice for key in case.when}
    if all(value is None for value in keys.values()):
        return choice[0]
    for case in choice:
        if all(flat.get(key) == value for key, value in case.when.items()):
            return case
    raise InputError(f"config.json: this family has no choice for {_shown(keys)}")


def _case_of_recipe(choice: list[Case], recipe: Mapping[str, Any]) -> Case:
    for case in choice:
        if all(_all_are(recipe, path, value) for path, value in case.set.items()):
            return case
    paths = sorted({path for case in choice for path in case.set})
    raise InputError(f"{', '.join(paths)}: {_without_setting(recipe, paths[0])}")


def _one_value(setting: Setting, recipe: Mapping[str, Any]) -> Any:
    """The value at all of the setting's paths; None if the recipe has none of them."""
    values = [value for path in setting.at for value in values_at(recipe, path)]
    if any(value != values[0] for value in values):
        raise InputError(f"{', '.join(setting.at)}: {setting.key} is one number for all, found {_shown(values)}")
    return values[0] if values else None


def _all_are(recipe: Mapping[str, Any], path: str, wanted: Any) -> bool:
    found = list(values_at(recipe, path))
    return bool(found) and all(_is(value, wanted) for value in found)


def _is(value: Any, wanted: Any) -> bool:
    """Whether a value is the wanted one; knobs of a part that `wanted` does not mention do not matter."""
    if isinstance(wanted, str) and isinstance(value, Mapping):
        return bool(value.get("use") == wanted)
    if isinstance(wanted, Mapping) and isinstance(value, Mapping):
        return all(key in value and _is(value[key], one) for key, one in wanted.items())
    return bool(value == wanted)


def _without_setting(recipe: Mapping[str, Any], path: str) -> str:
    """Why no case applies: the value at the path, or the part nearest above it."""
    found = list(values_at(recipe, path))
    if found:
        return f"this family has no setting for {_shown(found[0])}"
    above = path
    while not found and "." in above:
        above = above.rpartition(".")[0]
        found = [value["use"] for value in values_at(recipe, above) if isinstance(value, Mapping) and "use" in value]
    return f"this run has no such choice; its {above} is {found[0]}" if found else "this run has no such choice"


def _flattened(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _nested(flat: Flat) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *above, last = key.split(".")
        place = nested
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
    return nested


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
