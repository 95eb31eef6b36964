"""From the tensors of a checkpoint to ours, and back: rename, transpose, fuse, split, regroup.

An entry joins its tensors on one side along the rows, regroups and transposes them, and cuts the result into its
tensors on the other side. `{i}` stands for the number of a layer; `*` in a size is a path with a wildcard.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from partwise.errors import InputError
from partwise.wording import some_of

if TYPE_CHECKING:
    from torch import Tensor, nn

Fact = Callable[[str], int]
"""The number at a path of the recipe."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]


class Regroup(BaseModel):
    """Rows viewed as several axes and permuted: [heads, 3, width] to [3, heads, width]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: list[int | str]
    """Sizes of the axes of their rows: a number, a path in the recipe, or -1 for the rest."""
    order: list[int]
    """The same axes in our order."""


class WeightEntry(BaseModel):
    """One line of the map."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ours: Names
    theirs: Names
    transpose: bool = False
    """Whether theirs are transposed (GPT-2's "Conv1D")."""
    regroup: Regroup | None = None


@dataclass(frozen=True)
class WeightMap:
    """The entries that apply to a model."""

    entries: Sequence[WeightEntry]
    ignore: Sequence[str] = ()
    """Their tensors that hold nothing new: tied copies, masks."""

    def to_ours(self, theirs: Mapping[str, Tensor], model: nn.Module, fact: Fact) -> dict[str, Tensor]:
        """Tensors for `model` (which may be on the meta device) by its own names.

        Raises:
            InputError: a tensor is missing, left over, or of another shape.
        """
        own = _own(model)
        ours: dict[str, Tensor] = {}
        used: set[str] = set()
        for entry in self._matching(own):
            _require(entry.theirs, theirs)
            used.update(entry.theirs)
            whole = _joined(entry.theirs, theirs, model, entry.ours[0])
            whole = whole.T if entry.transpose and whole.ndim == 2 else whole
            whole = _regrouped(whole, entry.regroup, fact)
            ours.update(zip(entry.ours, _cut(whole, [own[name].shape[0] for name in entry.ours]), strict=True))
        left = [name for name in theirs if name not in used and not self._ignored(name)]
        if left:
            raise InputError(f"the checkpoint holds {some_of(left)}, which this model has no place for")
        _check(ours, own)
        return {name: tensor.contiguous() for name, tensor in ours.items()}

    def to_theirs(self, ours: Mapping[str, Tensor], model: nn.Module, fact: Fact) -> dict[str, Tensor]:
        """The checkpoint's tensors by its names, from those of `model`.

        Raises:
            InputError: the map does not know a tensor of the model.
        """
        import torch

        theirs: dict[str, Tensor] = {}
        known: set[str] = set()
        for entry in self._matching(ours):
            known.update(entry.ours)
            whole = torch.cat([ours[name] for name in entry.ours]) if len(entry.ours) > 1 else ours[entry.ours[0]]
            whole = _regrouped(whole, entry.regroup, fact, back=True)
            whole = whole.T if entry.transpose else whole
            sizes = _stacked(model, entry.ours[0]) if len(entry.theirs) > 1 else [whole.shape[0]]
            theirs.update(zip(entry.theirs, whole.split(sizes), strict=True))
        if unknown := [name for name in ours if name not in known]:
            raise InputError(f"the weight map has no place for this model's {some_of(unknown)}")
        return {name: tensor.contiguous() for name, tensor in theirs.items()}

    def _matching(self, names: Mapping[str, Any]) -> Iterator[WeightEntry]:
        """Entries all of whose tensors the model has, once per layer."""
        for entry in self.entries:
            for i in _layers(entry.ours[0], names):
                here = entry.model_copy(
                    update={side: [n.replace("{i}", i) for n in getattr(entry, side)] for side in ("ours", "theirs")}
                )
                if all(name in names for name in here.ours):
                    yield here

    def _ignored(self, name: str) -> bool:
        return any(re.fullmatch(re.escape(known).replace(r"\{i\}", r"\d+"), name) for known in self.ignore)


def _own(model: nn.Module) -> dict[str, Tensor]:
    from partwise.runs.weights import model_tensors

    return model_tensors(model)


def _layers(pattern: str, names: Mapping[str, Any]) -> list[str]:
    """The numbers that `{i}` stands for; one empty text for a pattern without it."""
    if "{i}" not in pattern:
        return [""]
    matcher = re.compile(re.escape(pattern).replace(r"\{i\}", r"(\d+)"))
    found = {match[1] for name in names if (match := matcher.fullmatch(name))}
    return sorted(found, key=int)


def _joined(names: Sequence[str], theirs: Mapping[str, Tensor], model: nn.Module, ours: str) -> Tensor:
    """Their tensors joined along the rows; each must have as many rows as its layer has in our stacked one."""
    import torch

    if len(names) == 1:
        return theirs[names[0]]
    for name, rows in zip(names, _stacked(model, ours), strict=True):
        if theirs[name].shape[:1] != (rows,) or theirs[name].shape[1:] != theirs[names[0]].shape[1:]:
            raise InputError(
                f"{name} is {tuple(theirs[name].shape)}, which does not make {rows} rows of this model's {ours}"
            )
    return torch.cat([theirs[name] for name in names])


def _cut(whole: Tensor, sizes: list[int]) -> Sequence[Tensor]:
    if len(sizes) == 1:
        return [whole]
    if whole.shape[:1] != (sum(sizes),):
        raise InputError(f"the checkpoint gives {tuple(whole.shape)} where this model needs {sum(sizes)} rows")
    return whole.split(sizes)


def _require(names: Sequence[str], theirs: Mapping[str, Tensor]) -> None:
    if missing := [name for name in names if name not in theirs]:
        raise InputError(f"the checkpoint lacks {some_of(missing)}")


def _regrouped(whole: Tensor, regroup: Regroup | None, fact: Fact, back: bool = False) -> Tensor:
    if regroup is None:
        return whole
    if not whole.ndim:
        raise InputError("the checkpoint has a single number where a matrix is needed")
    theirs = [fact(size) if isinstance(size, str) else size for size in regroup.shape]
    if -1 in theirs:
        theirs[theirs.index(-1)] = whole.shape[0] // -math.prod(theirs)
    order = regroup.order
    if not back:
        shape, axes = theirs, order
    else:
        shape = [theirs[axis] for axis in order]
        axes = [order.index(axis) for axis in range(len(order))]
    count = len(shape)
    if math.prod(shape) != whole.shape[0]:
        raise InputError(f"{whole.shape[0]} rows cannot be viewed as {'x'.join(map(str, shape))}")
    return whole.unflatten(0, shape).permute(*axes, *range(count, count + whole.ndim - 1)).flatten(0, count - 1)


def _stacked(model: nn.Module, name: str) -> list[int]:
    """The number of rows of each layer that is stacked into one."""
    sizes: list[int] = model.get_submodule(name.rpartition(".")[0]).stacked  # type: ignore[assignment]
    return sizes


def _check(ours: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    if missing := sorted(own.keys() - ours.keys()):
        raise InputError(f"the weight map lacks this model's {some_of(missing)}")
    for name, tensor in ours.items():
        if tensor.shape != own[name].shape:
            raise InputError(
                f"{name}: the checkpoint gives {tuple(tensor.shape)}, and this model's is {tuple(own[name].shape)}"
            )
