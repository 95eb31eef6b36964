"""Which settings of a checkpoint's config.json make which choices of a recipe, and back."""

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
    """Paths of the recipe that have its value."""
    default: Any = None
    """What it is where config.json leaves it out; null: the recipe's own."""


class Case(BaseModel):
    """A choice that one setting makes: taken when config.json has `when`, or when the recipe has `set`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: dict[str, Any]
    set: dict[str, Any]
    settings: list[Setting] = []


class ConfigMap(BaseModel):
    """Settings that are knobs, settings that decide between parts, and settings that must be as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: list[Setting] = []
    choices: list[list[Case]] = []
    """Of each list, the first case that applies is taken; the first of all where config.json says nothing of it."""
    fixed: dict[str, Any] = {}
    """What the recipe's parts do, and nothing else; also what is assumed where config.json leaves it out."""
    aliases: dict[str, str] = {}
    """Newer or older keys -> the keys used here."""

    def overrides(self, config: Mapping[str, Any]) -> list[str]:
        """Changes that make the family's recipe one for a checkpoint with these settings.

        Raises:
            InputError: a setting has a value that the map does not know.
        """
        flat = self._flat(config)
        for key, value in self.fixed.items():
            if flat.get(key, value) != value:
                raise InputError(
                    f"config.json: {key} is {_shown(flat[key])}, and this family's recipe has {_shown(value)}"
                )
        changes: list[str] = []
        settings = list(self.settings)
        for choice in self.choices:
            said = any(flat.get(key) is not None for case in choice for key in case.when)
            case = next((case for case in choice if _fits(case, flat)), None) if said else choice[0]
            if case is None:
                keys = {key: flat.get(key) for case in choice for key in case.when}
                raise InputError(f"config.json: nothing is known of {_shown(keys)}")
            changes += [f"{path}={json.dumps(value)}" for path, value in case.set.items()]
            settings += case.settings
        for setting in settings:
            value = flat.get(setting.key)
            value = setting.default if value is None else value
            if value is not None:
                changes += [f"{path}={json.dumps(value)}" for path in setting.at]
        return changes

    def config(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that a resolved recipe has.

        Raises:
            InputError: the recipe makes a choice that no setting stands for.
        """
        flat: Flat = dict(self.fixed)
        settings = list(self.settings)
        for choice in self.choices:
            case = next((case for case in choice if all(_all_are(recipe, p, v) for p, v in case.set.items())), None)
            if case is None:
                paths = sorted({path for case in choice for path in case.set})
                raise InputError(f"{', '.join(paths)}: {_without_setting(recipe, paths[0])}")
            flat |= case.when
            settings += case.settings
        for setting in settings:
            values = [value for path in setting.at for value in values_at(recipe, path)]
            if any(value != values[0] for value in values):
                raise InputError(
                    f"{', '.join(setting.at)}: {setting.key} is one number for all, found {_shown(values)}"
                )
            if values and values[0] is not None:
                flat[setting.key] = values[0]
        return _nested(flat)

    def _flat(self, config: Mapping[str, Any]) -> Flat:
        flat = dict(_flattened(config))
        for alias, key in self.aliases.items():
            if alias in flat and flat.get(key) is None:
                flat[key] = flat[alias]
        return flat


def _all_are(recipe: Mapping[str, Any], path: str, wanted: Any) -> bool:
    found = list(values_at(recipe, path))
    return bool(found) and all(_is(value, wanted) for value in found)


def _is(value: Any, wanted: Any) -> bool:
    """Whether a node is as said; of a part, what is not said does not matter."""
    if isinstance(wanted, str) and isinstance(value, Mapping):
        return bool(value.get("use") == wanted)
    if isinstance(wanted, Mapping) and isinstance(value, Mapping):
        return all(key in value and _is(value[key], one) for key, one in wanted.items())
    return bool(value == wanted)


def _fits(case: Case, flat: Flat) -> bool:
    return all(flat.get(key) == value for key, value in case.when.items())


def _without_setting(recipe: Mapping[str, Any], path: str) -> str:
    """What a recipe has there, or nearest above, that no setting stands for."""
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
