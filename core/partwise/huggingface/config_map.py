"""From the settings in a checkpoint's config.json to the choices of a recipe, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any

from annotated_types import MinLen
from pydantic import BaseModel, ConfigDict

from partwise.errors import InputError
from partwise.recipe.paths import values_at
from partwise.recipe.suggestions import did_you_mean
from partwise.wording import many

from .arithmetic import computed, solved
from .config_entry import Case, Key, LayerCase, LayerList, Setting
from .without_effect import QUANTISED, WITHOUT_EFFECT, has_no_effect

Flat = dict[str, Any]
"""Settings by dotted keys: `rope_scaling.factor`."""


class ConfigMap(BaseModel):
    """What each key of config.json means: a knob, a choice between parts, the only value possible, or nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: tuple[Setting, ...] = ()
    choices: tuple[Annotated[tuple[Case, ...], MinLen(1)], ...] = ()
    """Of each list, the first case that applies is taken; the first of the list if config.json does not mention it."""
    layers: tuple[LayerList, ...] = ()
    fixed: dict[Key, Any] = {}
    """The only value that the recipe's parts allow; also assumed where config.json leaves it out."""
    no_effect: tuple[Key, ...] = ()
    """Keys, or the first words of keys, that change no logits of this family."""
    aliases: dict[Key, Key] = {}
    """Newer or older keys -> the keys used here."""

    def overrides(self, config: Mapping[str, Any]) -> list[str]:
        """Changes that make the family's recipe one for a checkpoint with these settings, but for `layers`.

        Raises:
            InputError: a setting has a value that the map does not know, or is not in the map at all.
        """
        return [f"{path}={json.dumps(value)}" for path, value, _ in self.changes(config)]

    def changes(self, config: Mapping[str, Any]) -> list[tuple[str, Any, str | None]]:
        """Path, value and, for a knob that one key decides, the key."""
        flat = self.flat(config)
        self._refuse_quantised(config)
        self._refuse_unknown(flat)
        self._check_fixed(flat)
        cases = [_case_of_config(choice, flat) for choice in self.choices]
        self._refuse_undecided(flat, cases)
        changes: list[tuple[str, Any, str | None]] = [(p, v, None) for case in cases for p, v in case.set.items()]
        for setting in self.taken(cases):
            changes += [(path, value, setting.key) for path, value in self.knobs(setting, flat).items()]
        return changes

    def config(self, recipe: Mapping[str, Any], rows: Mapping[str, int] | None = None) -> dict[str, Any]:
        """The settings of a resolved recipe; of the cases that fit it, the first.

        Args:
            rows: the number of rows of each of the model's tensors.

        Raises:
            InputError: the recipe makes a choice that no setting stands for.
        """
        return next(self.configs(recipe, rows))

    def configs(self, recipe: Mapping[str, Any], rows: Mapping[str, int] | None = None) -> Iterator[dict[str, Any]]:
        """The settings of a resolved recipe, for each combination of cases that fit it."""
        decided = self._decided_by_settings()
        set_by = [{path for case in choice for path in case.set} for choice in self.choices]
        fitting = []
        for number, choice in enumerate(self.choices):
            others = set().union(*set_by[:number], *set_by[number + 1 :])
            fitting.append(_cases_of_recipe(choice, recipe, decided | others - set_by[number]))
        for cases in product(*fitting):
            yield self._config(recipe, cases, rows or {})

    def _config(self, recipe: Mapping[str, Any], cases: Sequence[Case], rows: Mapping[str, int]) -> dict[str, Any]:
        from .layer_lists import computed_in_layers, lists_of_recipe

        flat: Flat = dict(self.fixed)
        for case in cases:
            flat |= case.when
        unset: list[Setting] = []
        backwards: list[Setting] = []
        decided = {path for one in self.layers for case in one.cases for path in _paths_in_layers(one, case)}
        for setting in self.taken(cases):
            values = [value for path in setting.at if path not in decided for value in values_at(recipe, path)]
            value = one_value(setting, values)
            value = measured(setting, rows) if value is None and setting.rows is not None else value
            if setting.computed and not setting.at:
                backwards.append(setting)
            elif value is not None:
                flat[setting.key] = _as_whole(value, setting)
            elif values:
                unset.append(setting)
        flat |= lists_of_recipe(self.layers, recipe)
        for setting in unset:
            # Left out, it would become whatever the class of transformers takes for its default.
            flat.setdefault(setting.key, None)
            if setting.expression is not None:
                flat[setting.key] = self.value(setting, flat)
        for setting in backwards:
            flat |= self._undone(setting, recipe, flat)
        for setting, layer in computed_in_layers(self.layers, recipe):
            flat |= self._undone(setting, layer, flat)
        for setting in self.taken(cases):
            if not setting.places and setting.expression is not None:  # no knob, but their class wants it to fit
                flat[setting.key] = self.value(setting, flat)
        return _nested(flat)

    def knobs(self, setting: Setting, flat: Flat) -> dict[str, Any]:
        """What the knobs become that a setting decides, by path.

        Raises:
            InputError: something that they are computed from is not there.
        """
        value = self.value(setting, flat)
        knobs = dict.fromkeys(setting.at, value)
        for path, expression in setting.computed.items():
            try:
                knobs[path] = None if value is None else computed(expression, lambda key: self.named(key, flat))
            except ValueError as error:
                raise InputError(f"config.json: {path} is computed from {setting.key}, but {error}") from None
        return knobs

    def _undone(self, setting: Setting, recipe: Mapping[str, Any], flat: Flat) -> Flat:
        """The setting from the first knob that is computed from it."""
        path, expression = next(iter(setting.computed.items()))
        values = list(values_at(recipe, path))
        value = one_value(setting, values)
        if value is None:
            return {setting.key: None} if values else {}
        try:
            return {setting.key: solved(expression, setting.key, value, lambda key: self.named(key, flat))}
        except ValueError as error:
            raise InputError(f"{path} is {shown(value)}, for which {setting.key} {error}") from None

    def taken(self, cases: Iterable[Case]) -> list[Setting]:
        """The settings that matter when these cases are taken."""
        return [*self.settings, *(setting for case in cases for setting in case.settings)]

    def every_setting(self) -> list[Setting]:
        """The settings of all cases."""
        cases = [case for choice in self.choices for case in choice]
        in_layers = [setting for one in self.layers for case in one.cases for setting in case.settings]
        return [*self.taken(cases), *in_layers]

    def value(self, setting: Setting, flat: Flat, asked: tuple[str, ...] = ()) -> Any:
        """What config.json says of a setting, or its default.

        Raises:
            InputError: it says nothing, and there is no default; or the default cannot be computed.
        """
        given = flat.get(setting.key)
        if given is not None or (setting.key in flat and setting.expression is None):
            return given
        if setting.expression is None:
            if not setting.has_default:
                raise InputError(
                    f"config.json: {setting.key} is not there, and this family has no default for it; write it there "
                    f'(null, if it is off), or give the setting a "default" in the map'
                )
            return setting.default
        try:
            value = computed(setting.expression, lambda key: self.named(key, flat, (*asked, setting.key)))
        except ValueError as error:
            raise InputError(f"config.json: {setting.key} is not there, and its default {error}") from None
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def named(self, key: str, flat: Flat, asked: tuple[str, ...] = ()) -> Any:
        if flat.get(key) is not None:
            return flat[key]
        setting = next((one for one in self.every_setting() if one.key == key), None)
        if setting is None or key in asked:
            raise ValueError(f"needs {key}, which is not there either")
        return self.value(setting, flat, asked)

    def flat(self, config: Mapping[str, Any]) -> Flat:
        """The settings by dotted keys, without aliases.

        Raises:
            InputError: a key and its alias say different things.
        """
        flat = dict(_flattened(config))
        for alias, key in self.aliases.items():
            if alias not in flat:
                continue
            if flat.get(key) is not None and flat[alias] is not None and flat[key] != flat[alias]:
                raise InputError(
                    f"config.json says two things: {key} is {shown(flat[key])}, and {alias}, which means the same, is "
                    f"{shown(flat[alias])}; take one of them out"
                )
            if flat.get(key) is None:
                flat[key] = flat[alias]
        return flat

    def known_keys(self) -> set[str]:
        """Every key that the map names."""
        decisive = {key for choice in self.choices for case in choice for key in case.when}
        layers = {one.key for one in self.layers}
        settings = {setting.key for setting in self.every_setting()}
        return decisive | layers | settings | {*self.fixed, *self.aliases, *self.aliases.values(), *self.no_effect}

    def _refuse_quantised(self, config: Mapping[str, Any]) -> None:
        for key in QUANTISED:
            told = config.get(key)
            if told is None or any(one.partition(".")[0] == key for one in self.known_keys()):
                continue
            method = told.get("quant_method") if isinstance(told, Mapping) else told
            how = "" if method is None else f" ({shown(method)})"
            raise InputError(
                f"config.json has {key}{how}: the weights are quantised, which no part here computes with; import the "
                f"checkpoint that they were made from, or one that is converted to bfloat16 and has no {key}"
            )

    def _refuse_unknown(self, flat: Flat) -> None:
        known = self.known_keys()
        above = {key[:at] for key in known for at in range(len(key)) if key[at] == "."}
        unknown = []
        for key, value in flat.items():
            heads = {key[:at] for at in range(len(key)) if key[at] == "."}
            if key in known or heads & set(self.no_effect) or has_no_effect(key, value):
                continue
            if key in above and (value is None or value == {}):
                continue  # `"rope_scaling": null`: nothing below it
            unknown.append(f"{key} is {shown(value)}{did_you_mean(key, known | WITHOUT_EFFECT)}")
        if unknown:
            told = "\n  ".join(unknown)
            raise InputError(
                f"config.json has {many(len(unknown), 'key')} that this family's map does not name:\n  {told}\n"
                "Each may change what the model computes. The map says what it means: a setting, a choice, a list of "
                'layers, the only value allowed ("fixed"), or nothing ("no_effect").'
            )

    def _refuse_undecided(self, flat: Flat, cases: Sequence[Case]) -> None:
        """A setting of a case that was not taken, where nothing says which case it is."""
        heard = {setting.key for setting in self.taken(cases)}
        for choice in self.choices:
            deciding = list(dict.fromkeys(key for case in choice for key in case.when))
            if any(key in flat for key in deciding):
                continue
            for setting in (setting for case in choice for setting in case.settings):
                if flat.get(setting.key) is not None and setting.key not in heard:
                    raise InputError(
                        f"config.json: {setting.key} is {shown(flat[setting.key])}, but {' and '.join(deciding)}, "
                        "which says what it is for, is not there"
                    )

    def _check_fixed(self, flat: Flat) -> None:
        for key, value in self.fixed.items():
            if key in flat and not same(flat[key], value):
                raise InputError(
                    f"config.json: {key} is {shown(flat[key])}, but this family's recipe has {shown(value)}"
                )

    def _decided_by_settings(self) -> set[str]:
        """Paths whose values settings and layers decide, so that what a case sets there is only a beginning."""
        cases = [case for choice in self.choices for case in choice]
        paths = {path for setting in self.taken(cases) for path in (*setting.places, *beside(setting))}
        return paths | {path for one in self.layers for case in one.cases for path in _paths_in_layers(one, case)}


def _paths_in_layers(one: LayerList, case: LayerCase) -> Iterator[str]:
    for path in (*case.set, *(at for setting in case.settings for at in setting.places)):
        yield f"{one.blocks}.*.{path}"


def beside(setting: Setting) -> list[str]:
    """The paths of the knobs that a setting replaces."""
    return [".".join((*path.split(".")[:-1], knob)) for path in setting.at for knob in setting.replaces]


def measured(setting: Setting, rows: Mapping[str, int]) -> int | None:
    """The rows of the setting's tensor in all layers; None if they differ, or there is none."""
    assert setting.rows is not None
    matcher = re.compile(re.escape(setting.rows).replace(r"\{i\}", r"\d+"))
    found = {count for name, count in rows.items() if matcher.fullmatch(name)}
    return found.pop() if len(found) == 1 else None


def _as_whole(value: Any, setting: Setting) -> Any:
    """A whole number as an integer where the setting's default is one: a knob may be a float where their key is not."""
    whole = isinstance(value, float) and value.is_integer() and type(setting.default) is int
    return int(value) if whole else value


def _case_of_config(choice: Sequence[Case], flat: Flat) -> Case:
    """The case that the settings make; the first if they do not mention the choice."""
    for case in choice:
        if all(key in flat and same(flat[key], value) for key, value in case.when.items()):
            return case
    keys = {key: flat.get(key) for case in choice for key in case.when}
    if not any(key in flat for key in keys):
        return choice[0]
    for case in choice:
        if all(same(flat.get(key), value) for key, value in case.when.items()):
            return case
    raise InputError(f"config.json: this family has no choice for {shown(keys)}")


def _cases_of_recipe(choice: Sequence[Case], recipe: Mapping[str, Any], decided: set[str]) -> list[Case]:
    fitting = [
        case for case in choice if all(_all_are(recipe, path, value, decided) for path, value in case.set.items())
    ]
    if fitting:
        return fitting
    paths = sorted({path for case in choice for path in case.set})
    raise InputError(f"{', '.join(paths)}: {_without_setting(recipe, paths[0])}")


def one_value(setting: Setting, values: Sequence[Any]) -> Any:
    """The value that all of them are; None if there are none."""
    if any(value != values[0] for value in values):
        raise InputError(f"{', '.join(setting.at)}: {setting.key} is one number for all, found {shown(values)}")
    return values[0] if values else None


def _all_are(recipe: Mapping[str, Any], path: str, wanted: Any, decided: set[str]) -> bool:
    found = list(values_at(recipe, path))
    return bool(found) and all(is_like(value, wanted, path, decided) for value in found)


def is_like(value: Any, wanted: Any, path: str = "", decided: Iterable[str] = ()) -> bool:
    """Whether a value of the recipe is the wanted one; knobs of a part that `wanted` does not mention do not matter,
    nor do those at `decided` paths. A pattern of layers may be repeated."""
    if path in decided:
        return True
    if isinstance(wanted, str) and isinstance(value, Mapping):
        return bool(value.get("use") == wanted)
    if isinstance(wanted, Mapping) and isinstance(value, Mapping):
        return all(key in value and is_like(value[key], one, f"{path}.{key}", decided) for key, one in wanted.items())
    if isinstance(wanted, list | tuple) and isinstance(value, list | tuple):
        if not wanted or not value:
            return len(wanted) == len(value)
        layers = max(len(wanted), len(value))
        if layers % len(wanted) or layers % len(value):
            return False
        return all(is_like(value[i % len(value)], wanted[i % len(wanted)], f"{path}.*", decided) for i in range(layers))
    return same(value, wanted)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; a tuple is an array like any other."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _without_setting(recipe: Mapping[str, Any], path: str) -> str:
    """Why no case applies: the value at the path, or the part nearest above it."""
    found = list(values_at(recipe, path))
    if found:
        return f"this family has no setting for {shown(found[0])}"
    above = path
    while not found and "." in above:
        above = above.rpartition(".")[0]
        found = [value["use"] for value in values_at(recipe, above) if isinstance(value, Mapping) and "use" in value]
    return f"this run has no such choice; its {above} is {found[0]}" if found else "this run has no such choice"


def flattened(config: Mapping[str, Any]) -> Flat:
    """Settings by dotted keys, as config.json has them."""
    return dict(_flattened(config))


def _flattened(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
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


def shown(value: Any) -> str:
    """A value as JSON, cut."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
