"""Families found by name or by what a checkpoint says: those that ship, those of plugins, and those of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from partwise.errors import InputError, PartwiseError
from partwise.parts.registry import registry
from partwise.recipe import read
from partwise.recipe.files import displayed
from partwise.recipe.shipped import own_directory
from partwise.recipe.suggestions import did_you_mean

from .config_map import shown
from .family import Family, read_map
from .map_file import SUFFIX


def files() -> dict[str, Path]:
    """The file of every family, by its name: a map beside partwise's recipes, or those of a plugin."""
    found: dict[str, Path] = {}
    for directory, prefix in _directories():
        for path in sorted(directory.rglob(f"*{SUFFIX}")):
            found.setdefault(prefix + path.name.removesuffix(SUFFIX), path)
    return found


def _directories() -> Iterator[tuple[Path, str]]:
    yield own_directory() / "families", ""
    for directory, plugin in registry().recipe_directories:
        yield directory, "" if plugin.builtin else f"{plugin.namespace}/"


def chosen(map_file: Path | None, config: Mapping[str, Any]) -> Family:
    """The family in a file, or else the one that is found for a config.json.

    Raises:
        InputError: there is none, or the file's is for other checkpoints.
    """
    if map_file is None:
        return family_of(config)
    family = read_map(map_file)[0]
    if family.model_type != config["model_type"]:
        raise InputError(
            f"{map_file} is for model_type {family.model_type!r}, and the checkpoint's is {config['model_type']!r}"
        )
    if not family.is_for(config):
        raise InputError(f"{map_file} is for {shown(family.when)}, and config.json says something else")
    return family


def families() -> dict[str, Family]:
    """Every family whose map holds, by the name of its file."""
    return {name: family for name, family in _read_all() if isinstance(family, Family)}


def broken() -> dict[str, PartwiseError]:
    """What is wrong with the maps that do not hold. They keep no other family from being used."""
    return {name: error for name, error in _read_all() if isinstance(error, PartwiseError)}


def _read_all() -> Iterator[tuple[str, Family | PartwiseError]]:
    for name, path in files().items():
        try:
            yield name, read_map(path)[0]
        except PartwiseError as error:
            yield name, error


def family_of(config: Mapping[str, Any]) -> Family:
    """The family of checkpoints with this config.json: the first of its `model_type` whose `when` fits.

    Raises:
        InputError: there is none, or only its tensors are mapped, or its map does not hold.
    """
    every = dict(_read_all())
    model_type = config["model_type"]
    usable = [one for one in every.values() if isinstance(one, Family) and one.config is not None]
    alike = [family for family in usable if family.model_type == model_type]
    for family in alike:
        if family.is_for(config):
            return family
    for name, error in every.items():
        if isinstance(error, PartwiseError) and _is_for(files()[name], model_type):
            raise error
    if alike:
        asked = "; ".join(f"{one.place} is for {shown(one.when)}" for one in alike)
        raise InputError(f"no map of model_type {model_type!r} is for this config.json: {asked}")
    also = [
        f"{displayed(files()[n])} is broken: {_first_line(e)}" for n, e in every.items() if not isinstance(e, Family)
    ]
    raise InputError(
        f"checkpoints of model_type {model_type!r} cannot be imported"
        f"{did_you_mean(model_type, [one.model_type for one in usable])}; those that can be are {known()}"
        + "".join(f"\n{one}" for one in also)
    )


def known() -> str:
    """The families that can be imported and exported, for messages."""
    return ", ".join(name for name, family in families().items() if family.config is not None)


def _is_for(path: Path, model_type: str) -> bool:
    """Whether a map that does not hold is one for this `model_type`, as far as it can be read."""
    try:
        asked = read(path).members.get("model_type")
    except PartwiseError:
        return path.name.removesuffix(SUFFIX) == model_type
    return asked is not None and asked.value == model_type


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0]
