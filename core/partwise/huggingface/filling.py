"""Fills a model of ours with a checkpoint's tensors, one after the other: never is there a second copy of all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from partwise.errors import InputError

from .facts import Facts
from .family import Family

if TYPE_CHECKING:
    from torch import Tensor, nn

    from partwise.modules import Model


def fill(family: Family, model: Model, seed: int, theirs: Mapping[str, Tensor], facts: Facts) -> set[str]:
    """Gives memory to a model on the meta device, and to its tensors what theirs hold; in the model's dtype.

    Returns the dtypes of theirs. Whatever their names, types and shapes tell is refused before one is read.

    Raises:
        InputError: the map does not make one from the other, or a tensor is quantised or not finite.
        WorkError: there is too little memory for the model.
    """
    import torch

    from partwise import assembly
    from partwise.runs.weights import model_tensors

    module = cast("nn.Module", model)
    weights, named = family.weights, with_prefix(family.prefix, theirs)
    weights.refuse_misfits(with_prefix(family.prefix, _drafts(theirs)), module, facts)
    weights.refuse_other_values(named, module, facts)
    assembly.make_room(model, seed)
    own, dtypes = model_tensors(module), set()
    with torch.no_grad():
        for name, tensor in weights.each_of_ours(named, module, facts):
            dtypes.add(str(tensor.dtype).removeprefix("torch."))
            own[name].copy_(tensor)
            if not _all_finite(own[name]):
                raise InputError(_not_finite(" + ".join(weights.source_of(name, module, facts)), tensor))
    return dtypes


def _drafts(theirs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    from partwise.storage.safetensors import StoredTensors

    if isinstance(theirs, StoredTensors):
        return theirs.drafts()
    return {name: tensor.to("meta") for name, tensor in theirs.items()}


def with_prefix(prefix: str, theirs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Checkpoints of a network without its head leave out the first word of every name."""
    if not prefix or any(name.startswith(prefix) for name in theirs):
        return theirs
    return _Renamed({prefix + name: name for name in theirs}, theirs)


class _Renamed(Mapping[str, Any]):
    """Tensors under other names."""

    def __init__(self, names: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
        self._names, self._tensors = names, tensors

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[self._names[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _not_finite(name: str, tensor: Tensor) -> str:
    """Why weights are refused with which the model would write nonsense, with no error."""
    if _all_finite(tensor):
        return f"{name} has values that are too large for float32"
    return f"{name} has values that are not finite: the checkpoint is damaged, or its training diverged"


def _all_finite(tensor: Tensor) -> bool:
    """Whether no number is infinite or NaN, without a second tensor as large."""
    return not tensor.numel() or all(math.isfinite(extreme.item()) for extreme in tensor.aminmax())
