"""A Hugging Face checkpoint directory: config.json, and safetensors in one file or in shards with an index."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError, WorkError
from partwise.storage.atomic import made, read_json, write_json
from partwise.wording import some_of

from .config_map import shown

if TYPE_CHECKING:
    from torch import Tensor

    from partwise.storage.safetensors import StoredTensors

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"


def read_config(directory: Path) -> dict[str, Any]:
    """The settings in config.json.

    Raises:
        InputError: there is no config.json, or it is not JSON.
    """
    if not (directory / CONFIG).is_file():
        raise InputError(f"{directory} is not a checkpoint directory: it has no {CONFIG}")
    config = read_object(directory / CONFIG)
    if not isinstance(config.get("model_type"), str):
        raise InputError(f"{directory / CONFIG} does not say which model_type it is")
    return config


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file that somebody else has written.

    Raises:
        InputError: there is none.
    """
    try:
        return read_json(path)
    except WorkError as error:
        why = "" if error.__cause__ is None else f": {error.__cause__}"
        raise InputError(f"{path} holds no JSON object in UTF-8{why}") from error


def read_weights(directory: Path) -> StoredTensors:
    """Every tensor by its name; each is read when it is asked for.

    Raises:
        InputError: there are no safetensors files, one is damaged, or the index is not of those in the directory.
    """
    from partwise.storage.safetensors import StoredTensors

    shards = {} if (directory / WEIGHTS).is_file() else _shards(directory)
    names = sorted(set(shards.values())) or [WEIGHTS]
    try:
        stored = StoredTensors(directory / name for name in names)
    except WorkError as error:
        raise InputError(str(error)) from error
    if absent := [name for name in shards if name not in stored]:
        raise InputError(
            f"{directory / INDEX} names {some_of(absent)}, and no file that it names holds "
            f"{'it' if len(absent) == 1 else 'them'}: {some_of(names)}"
        )
    return stored


def _shards(directory: Path) -> dict[str, str]:
    """The file of each tensor, as the index says.

    Raises:
        InputError: there is no index, or it names what is no file in the directory.
    """
    if not (directory / INDEX).is_file():
        raise InputError(f"{directory} has neither {WEIGHTS} nor {INDEX}; pickled checkpoints (.bin) are not supported")
    shards = read_object(directory / INDEX).get("weight_map")
    if not isinstance(shards, dict) or not shards or not all(isinstance(name, str) for name in shards.values()):
        raise InputError(f"{directory / INDEX} has no weight_map from tensors to files")
    there = {path.name for path in directory.iterdir()}
    for name in sorted(set(shards.values())):
        if name not in there:  # nor is any name with a separator
            raise InputError(
                f"{directory / INDEX} names {shown(name)}, which is not a file in the directory; it has "
                f"{some_of(sorted(one for one in there if one.endswith('.safetensors'))) or 'no .safetensors'}"
            )
    return shards


def write_checkpoint(
    directory: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor], others: Mapping[str, dict[str, Any]]
) -> None:
    """Writes the directory and `others` by name; config.json last, so that half of it does not look like a checkpoint.

    Raises:
        InputError: the directory is not empty.
        WorkError: it cannot be written.
    """
    from partwise.runs.weights import write_tensors

    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(f"{directory} already exists and is not empty; give a new directory")
    made(directory)
    write_tensors(directory / WEIGHTS, tensors)
    for name, content in others.items():
        write_json(directory / name, content)
    write_json(directory / CONFIG, dict(config))
