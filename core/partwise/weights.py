"""A model's weights and an optimizer's state as named tensors, to and from safetensors files. Never pickle."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from .errors import InputError, WorkError
from .files import write_whole

Numbers = dict[str, Any]
"""What an optimizer keeps besides tensors, as JSON values."""


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and persistent buffer by its name; what is tied stands once, under its first name."""
    kept = model.state_dict().keys()
    own = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor.detach() for name, tensor in own if name in kept}


def fill_model(model: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Copies `tensors`, which `model_tensors` of such a model gave, into `model`; `source` is named in errors.

    Raises:
        WorkError: they are those of another model.
    """
    own = model_tensors(model)
    if missing := sorted(own.keys() - tensors.keys()):
        raise WorkError(f"{source} lacks {_some(missing)}: it is from another model")
    if foreign := sorted(tensors.keys() - own.keys()):
        raise WorkError(f"{source} holds {_some(foreign)}, which this model lacks: it is from another model")
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            raise WorkError(f"{source}: {name} is {_shape(tensors[name])}, and this model's is {_shape(tensor)}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def optimizer_tensors(model: nn.Module, optimizer: Optimizer) -> tuple[dict[str, Tensor], Numbers]:
    """An optimizer's state as tensors called `PARAMETER/KEY`, and whatever else it keeps as numbers.

    Raises:
        WorkError: it keeps something that is neither a tensor nor a number.
    """
    names = _parameter_names(model, optimizer)
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, float] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            name = f"{names[index]}/{key}"
            if isinstance(value, Tensor):
                tensors[name] = value
            elif isinstance(value, int | float):
                numbers[name] = value
            elif value is not None:
                raise WorkError(
                    f"optimizer {type(optimizer).__name__} keeps a {type(value).__name__} ({key}) for each parameter; "
                    "only tensors and numbers can be saved in a checkpoint"
                )
    return tensors, {"state": numbers, "groups": [_numbers(group) for group in optimizer.param_groups]}


def fill_optimizer(model: nn.Module, optimizer: Optimizer, tensors: Mapping[str, Tensor], numbers: Numbers) -> None:
    """Restores what `optimizer_tensors` gave, bit for bit, into an optimizer built the same way."""
    places = {name: index for index, name in enumerate(_parameter_names(model, optimizer))}
    state: dict[int, dict[str, Any]] = {}
    for name, value in [*tensors.items(), *numbers["state"].items()]:
        parameter, key = name.rsplit("/", 1)
        if parameter not in places:
            raise WorkError(f"the checkpoint's optimizer updates {parameter}, which this one does not")
        state.setdefault(places[parameter], {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    for group, saved in zip(groups, numbers["groups"], strict=True):
        group.update(saved)
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes a safetensors file, whole or not at all.

    Raises:
        WorkError: it could not be written.
    """
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def write(place: Path) -> None:
        place.touch()
        mode = place.stat().st_mode  # as the user's umask has it; the library makes files that only the owner reads
        try:
            save_file(on_cpu, place, metadata={"format": "pt"})
        except SafetensorError as error:  # the library wraps the system's errors, a full disk among them
            code = re.search(r"(?:os error|code:) (\d+)", str(error))
            raise (OSError(int(code[1]), os.strerror(int(code[1]))) if code else OSError(str(error))) from error
        place.chmod(mode)

    write_whole(path, write)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        InputError: the file is not there or cannot be read.
        WorkError: it is cut short, or no safetensors file.
    """
    try:
        return load_file(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, ValueError) as error:
        raise WorkError(f"{path} is damaged, or no safetensors file: {error}") from error


def _parameter_names(model: nn.Module, optimizer: Optimizer) -> list[str]:
    """Name of each parameter an optimizer updates, in its order."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]


def _numbers(group: Mapping[str, Any]) -> dict[str, float]:
    """Numbers in a parameter group: some optimizers count there. Booleans are how it is built, not its state."""
    return {
        key: value for key, value in group.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"
