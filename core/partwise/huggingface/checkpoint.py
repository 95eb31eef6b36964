"""A Hugging Face checkpoint directory: config.json, and safetensors in one file or in shards with an index."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError
from partwise.storage.atomic import made, read_json, write_json

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"


def read_config(directory: Path) -> dict[str, Any]:
    """The settings in config.json.

    Raises:
        InputError: there is no config.json, or it is not JSON.
    """
    if not (directory / CONFIG).is_file():
        raise InputError(f"{directory} is not a checkpoint directory: it has no {CONFIG}")
    config = read_json(directory / CONFIG)
    if not isinstance(config.get("model_type"), str):
        raise InputError(f"{directory / CONFIG} does not say which model_type it is")
    return config


def read_weights(directory: Path) -> Mapping[str, Tensor]:
    """Every tensor by its name; each is read when it is asked for.

    Raises:
        InputError: there are no safetensors files, or the index names one outside the directory.
        WorkError: a file is damaged.
    """
    from partwise.storage.safetensors import StoredTensors

    if (directory / WEIGHTS).is_file():
        return StoredTensors([directory / WEIGHTS])
    if not (directory / INDEX).is_file():
        raise InputError(f"{directory} has neither {WEIGHTS} nor {INDEX}; pickled checkpoints (.bin) are not supported")
    shards = read_json(directory / INDEX).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise InputError(f"{directory / INDEX} has no weight_map from tensors to files")
    names = sorted(set(shards.values()))
    for name in names:
        if Path(name).name != name:
            raise InputError(f"{directory / INDEX} names {name!r}, which is not a file in the directory")
    return StoredTensors(directory / name for name in names)


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
