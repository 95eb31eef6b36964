"""A model's weights and an optimizer's state as named tensors, to be written to files and read back. Never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from partwise.errors import WorkError
from partwise.storage.safetensors import read_tensors, write_tensors
from partwise.wording import some_of

from .optimizer_probe import kept_state

Numbers = dict[str, Any]
"""What an optimizer keeps besides tensors, JSON values: `{"state": {"PARAMETER/KEY": 1}, "groups": [{"lr": 0.1}]}`."""


@dataclass(frozen=True)
class OptimizerState:
    """The whole state of an optimizer: tensors named `PARAMETER/KEY`, and numbers."""

    tensors: Mapping[str, Tensor]
    numbers: Numbers


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and persistent buffer by its name; what is tied stands once, under its first name."""
    kept = model.state_dict().keys()
    own = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor.detach() for name, tensor in own if name in kept}


def fill_model(model: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Copies `tensors`, which `model_tensors` of such a model gave, into `model`; `source` is named in errors.

    Raises:
        WorkError: they belong to another model.
    """
    own = model_tensors(model)
    if missing := sorted(own.keys() - tensors.keys()):
        raise WorkError(f"{source} lacks {some_of(missing)}: it belongs to another model")
    if foreign := sorted(tensors.keys() - own.keys()):
        raise WorkError(f"{source} holds {some_of(foreign)}, which this model lacks: it belongs to another model")
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            raise WorkError(f"{source}: {name} is {_shape(tensors[name])}, and this model's is {_shape(tensor)}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def optimizer_state(model: nn.Module, optimizer: Optimizer) -> OptimizerState:
    """An optimizer's state under the names of the model's parameters.

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
    groups = [_numbers(group) for group in optimizer.param_groups]
    return OptimizerState(tensors, {"state": numbers, "groups": groups})


def fill_optimizer(model: nn.Module, optimizer: Optimizer, saved: OptimizerState, source: Path) -> None:
    """Restores what `optimizer_state` gave, bit for bit, into an optimizer built the same way.

    Raises:
        WorkError: it belongs to another optimizer, or to another model.
    """
    places = {name: index for index, name in enumerate(_parameter_names(model, optimizer))}
    numbers = saved.numbers.get("state")
    if not isinstance(numbers, dict) or not all(map(_is_number, numbers.values())):
        raise WorkError(f"{source}: the optimizer's numbers in it are damaged")
    state: dict[int, dict[str, Any]] = {}
    for name, value in [*saved.tensors.items(), *numbers.items()]:
        parameter, _, key = name.rpartition("/")
        if parameter not in places:
            raise WorkError(f"{source}: its optimizer updates {parameter or name}, which this one does not")
        # A copy: the tensors of a file are a view of it.
        state.setdefault(places[parameter], {})[key] = value.clone() if isinstance(value, Tensor) else value
    _refuse_another_state(list(places), state, optimizer, source)
    groups = optimizer.state_dict()["param_groups"]
    for group, own in zip(_groups(saved.numbers, optimizer, source), groups, strict=True):
        own.update(group)
    try:
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:  # each asks for its own keys
        raise WorkError(f"{source} belongs to another optimizer: {type(error).__name__}: {error}") from error


def _refuse_another_state(
    names: list[str], state: Mapping[int, Mapping[str, Any]], optimizer: Optimizer, source: Path
) -> None:
    for index, kept in kept_state(optimizer).items():
        for key, own in kept.items():
            if index not in state or own is None:
                continue  # this parameter has had no gradient yet
            found = state[index].get(key)
            if found is None:
                raise WorkError(f"{source} belongs to another optimizer: it lacks {names[index]}/{key}")
            if _kind(found) != _kind(own):
                raise WorkError(
                    f"{source}: {names[index]}/{key} is {_kind(found)}, and this optimizer's is {_kind(own)}"
                )


def _kind(value: object) -> str:
    """What a value is, in words; equal for values that can replace each other."""
    if not isinstance(value, Tensor):
        return "a number"
    shape = _shape(value)
    return shape if value.is_floating_point() else f"{shape} of {str(value.dtype).removeprefix('torch.')}"


def _groups(numbers: Numbers, optimizer: Optimizer, source: Path) -> list[dict[str, float]]:
    """The saved numbers of each parameter group, checked against those that this optimizer keeps."""
    groups = numbers.get("groups")
    own = [_numbers(group) for group in optimizer.param_groups]
    if not isinstance(groups, list) or len(groups) != len(own):
        raise WorkError(f"{source}: its optimizer does not have {len(own)} groups of parameters, as this one does")
    for group, known in zip(groups, own, strict=True):
        if not isinstance(group, dict) or group.keys() != known.keys() or not all(map(_is_number, group.values())):
            raise WorkError(f"{source} belongs to another optimizer: this one's numbers are {', '.join(known)}")
    return groups


def _parameter_names(model: nn.Module, optimizer: Optimizer) -> list[str]:
    """Name of each parameter an optimizer updates, in its order."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]


def _numbers(group: Mapping[str, Any]) -> dict[str, float]:
    """Numbers in a parameter group: some optimizers count there. Booleans are how it is built, not its state."""
    return {key: value for key, value in group.items() if _is_number(value)}


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or abs(value) < 2**63


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"


__all__ = [
    "Numbers",
    "OptimizerState",
    "fill_model",
    "fill_optimizer",
    "model_tensors",
    "optimizer_state",
    "read_tensors",
    "write_tensors",
]
