"""Roles of parameters: what each is for, as far as its rate, its decay and its first scale depend on that.

embedding   a table of vectors, one per token or position, tied or not, and what brings them to the width of the model
head        the weight of an output layer that has its own
matrix      a hidden weight of two or more dimensions
vector      what acts on each feature by itself: gains, biases
convolution the kernels of a convolution
adapter     what learns beside a layer that stays as it is
...         what a module says

A module says what it knows better, of itself and of the modules in it, by an attribute:

    parameter_roles = {"weight": "router", "table.weight": "embedding"}

Where two modules say something of one parameter, the outer one holds: it knows what the other is used for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn
from torch.nn.modules.conv import _ConvNd

EMBEDDING, HEAD, MATRIX, VECTOR, CONVOLUTION = "embedding", "head", "matrix", "vector", "convolution"


def roles_of(model: nn.Module) -> dict[str, str]:
    """The role of each parameter, by its name as `named_parameters()` gives it.

    It asks for dimensions only, so that shards (FSDP2) have the roles of the whole. A table that is also used
    otherwise is an embedding.
    """
    said = _said(model)
    roles: dict[int, str] = {}
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            role = said.get(f"{path}.{name}" if path else name) or _by_form(module, parameter)
            if role == EMBEDDING or id(parameter) not in roles:
                roles[id(parameter)] = role
    return {name: roles[id(parameter)] for name, parameter in model.named_parameters()}


def stacked_rows(model: nn.Module) -> dict[str, list[int]]:
    """The rows of each layer in weights that are several linear layers in one, by the weights' names."""
    found: dict[str, list[int]] = {}
    for path, module in model.named_modules():
        rows: list[int] | None = getattr(module, "stacked", None)
        if rows is not None and len(rows) > 1:
            found[f"{path}.weight" if path else "weight"] = list(rows)
    return found


def _said(model: nn.Module) -> Mapping[str, str]:
    said: dict[str, str] = {}
    for path, module in model.named_modules():  # outer modules come before inner ones
        for name, role in _own_words(module):
            said.setdefault(f"{path}.{name}" if path else name, role)
    return said


def _own_words(module: nn.Module) -> Iterator[tuple[str, str]]:
    roles: Mapping[str, str] = getattr(module, "parameter_roles", {})
    yield from roles.items()


def _by_form(module: nn.Module, parameter: nn.Parameter) -> str:
    if parameter.ndim < 2:
        return VECTOR
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return EMBEDDING
    return CONVOLUTION if isinstance(module, _ConvNd) else MATRIX


__all__ = ["roles_of", "stacked_rows"]
