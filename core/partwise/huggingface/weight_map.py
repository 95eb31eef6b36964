"""From the tensors of a checkpoint to ours, and back: rename, transpose, fuse, split, regroup.

An entry transposes its tensors on one side, joins them along the rows, regroups these, and cuts the result into its
tensors on the other side. `{i}` stands for the number of a layer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from annotated_types import MinLen
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictBool,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from partwise.errors import InputError
from partwise.recipe.suggestions import nearest
from partwise.wording import joined, some_of

if TYPE_CHECKING:
    from torch import Tensor, nn

Fact = Callable[[str], int]
"""The number at a path of the recipe."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_PLACEHOLDERS = re.compile(r"\{[^{}]*\}")


def _a_pattern(value: str) -> str:
    others = [found for found in _PLACEHOLDERS.findall(value) if found != "{i}"]
    if others or not value.strip():
        raise ValueError(f"expected the name of a tensor, in which {{i}} stands for a layer, got {value!r}")
    return value


Pattern = Annotated[StrictStr, AfterValidator(_a_pattern)]
"""The name of a tensor; `{i}` stands for the number of a layer."""
Names = Annotated[tuple[Pattern, ...], BeforeValidator(_listed), MinLen(1)]
Size = StrictInt | StrictStr


class Regroup(BaseModel):
    """Rows viewed as several axes and permuted: [heads, 3, width] to [3, heads, width]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: Annotated[tuple[Size, ...], MinLen(1)]
    """Sizes of the axes of their rows: a number, a path in the recipe, or -1 for the rest."""
    order: Annotated[tuple[StrictInt, ...], MinLen(1)]
    """The same axes in our order."""

    @field_validator("shape")
    @classmethod
    def _has_sizes(cls, shape: tuple[Size, ...]) -> tuple[Size, ...]:
        if wrong := [size for size in shape if isinstance(size, int) and size < 1 and size != -1]:
            raise ValueError(f"a size is 1 or more, or -1 for the rest, got {wrong[0]}")
        if shape.count(-1) > 1:
            raise ValueError("only one size can be the rest, -1")
        return shape

    @model_validator(mode="after")
    def _orders_its_axes(self) -> Self:
        if sorted(self.order) != list(range(len(self.shape))):
            axes = ", ".join(map(str, range(len(self.shape))))
            raise ValueError(f"order has each axis of shape once ({axes}), got {list(self.order)}")
        return self


class WeightEntry(BaseModel):
    """One line of the map."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ours: Names
    theirs: Names
    transpose: StrictBool = False
    """Whether theirs are transposed (GPT-2's "Conv1D")."""
    regroup: Regroup | None = None

    @model_validator(mode="after")
    def _names_layers_on_both_sides(self) -> Self:
        layered = ["{i}" in name for name in self.ours]
        if any(layered) != all(layered):
            raise ValueError("either all of ours are of a layer, {i}, or none")
        if not any(layered) and any("{i}" in name for name in self.theirs):
            raise ValueError("theirs are of a layer, {i}, and ours are not")
        return self

    def __str__(self) -> str:
        return f"{' + '.join(self.ours)} <- {' + '.join(self.theirs)}"


@dataclass(frozen=True)
class Matched:
    """An entry for one layer of a model."""

    entry: WeightEntry
    """With the number of the layer in its names."""
    sizes: tuple[int, ...]
    """Rows of each of theirs, in our order."""


@dataclass(frozen=True)
class WeightMap:
    """The entries that apply to a model."""

    entries: Sequence[WeightEntry]
    ignore: Sequence[str] = ()
    """Their tensors that hold nothing new: tied copies, masks."""
    file: str = "the weight map"
    """Its name, for messages."""

    def plan(self, model: nn.Module) -> list[Matched]:
        """The entries for the model, which may be on the meta device, one for each layer.

        Raises:
            InputError: a tensor has no entry, or two; or an entry joins what the model does not stack.
        """
        own = _own(model)
        matched: list[Matched] = []
        filled: dict[str, WeightEntry] = {}
        for pattern, entry in self._matching(own):
            for name in entry.ours:
                if name in filled:
                    raise InputError(
                        f"{self.file}: two entries fill {name}: {filled[name]}, and {pattern}; take one of them out"
                    )
                filled[name] = pattern
            matched.append(Matched(entry, tuple(self._sizes(entry, model, own))))
        if missing := [name for name in own if name not in filled]:
            raise InputError(
                f"{self.file}: no entry fills this model's {some_of(missing)}{self._idle(missing[0], own)}"
            )
        return matched

    def misfits(self, model: nn.Module) -> Iterator[tuple[WeightEntry, str]]:
        """Entries that join what the model does not stack, and what is wrong with each."""
        own = _own(model)
        for pattern, entry in self._matching(own):
            try:
                self._sizes(entry, model, own)
            except InputError as error:
                yield pattern, str(error)

    def to_ours(self, theirs: Mapping[str, Tensor], model: nn.Module, fact: Fact) -> dict[str, Tensor]:
        """Tensors for `model` (which may be on the meta device) by its own names.

        Raises:
            InputError: a tensor is missing, left over, or of another shape.
        """
        return {name: tensor.contiguous() for name, tensor in self.each_of_ours(theirs, model, fact)}

    def each_of_ours(self, theirs: Mapping[str, Tensor], model: nn.Module, fact: Fact) -> Iterator[tuple[str, Tensor]]:
        """`to_ours`, one after the other: theirs are read as they are needed, and not kept. What is missing or left
        over is refused before the first is read."""
        own = _own(model)
        plan = self.plan(model)
        for matched in plan:
            self._require(matched.entry, theirs)
        used = {name for matched in plan for name in matched.entry.theirs}
        left = [name for name in theirs if name not in used and not self._ignored(name)]
        if left:
            raise InputError(self._left_over(left, own))
        for matched in plan:
            entry = matched.entry
            whole = _regrouped(_joined(matched, theirs), entry, fact)
            ours = dict(zip(entry.ours, _cut(whole, entry, own), strict=True))
            _check(entry, ours, own, theirs)
            yield from ours.items()

    def to_theirs(self, ours: Mapping[str, Tensor], model: nn.Module, fact: Fact) -> dict[str, Tensor]:
        """The checkpoint's tensors by its names, from those of `model`.

        Raises:
            InputError: the map does not know a tensor of the model, or two that are not equal are one of theirs.
        """
        import torch

        theirs: dict[str, Tensor] = {}
        for matched in self.plan(model):
            entry = matched.entry
            whole = torch.cat([ours[name] for name in entry.ours]) if len(entry.ours) > 1 else ours[entry.ours[0]]
            whole = _regrouped(whole, entry, fact, back=True)
            for name, piece in zip(entry.theirs, whole.split(list(matched.sizes)), strict=True):
                one = piece.T if entry.transpose and piece.ndim == 2 else piece
                if name in theirs and not theirs[name].equal(one):
                    raise InputError(
                        f"{self.file}: {name} has to hold {' + '.join(entry.ours)} and another tensor of this model, "
                        "and they are not equal"
                    )
                theirs[name] = one
        return {name: tensor.contiguous() for name, tensor in theirs.items()}

    def unmatched(self, own: Mapping[str, Any]) -> list[WeightEntry]:
        """Entries that fill none of these tensors of ours."""
        used = {id(pattern) for pattern, _ in self._matching(own)}
        return [entry for entry in self.entries if id(entry) not in used]

    def _matching(self, names: Mapping[str, Any]) -> Iterator[tuple[WeightEntry, WeightEntry]]:
        """Entries all of whose tensors the model has, once per layer: as written, and with the layer's number."""
        for entry in self.entries:
            for i in _layers(entry.ours[0], names):
                ours, theirs = (tuple(n.replace("{i}", i) for n in side) for side in (entry.ours, entry.theirs))
                if all(name in names for name in ours):
                    yield entry, entry.model_copy(update={"ours": ours, "theirs": theirs})

    def _sizes(self, entry: WeightEntry, model: nn.Module, own: Mapping[str, Tensor]) -> list[int]:
        """Rows of each of theirs: of ours one by one, or of the layers that ours are stacked from."""
        rows = [_rows(own[name]) for name in entry.ours]
        if len(entry.theirs) == 1:
            return [sum(rows)]
        stacked = [size for name in entry.ours for size in _stacked(model, name, own)]
        for sizes in (stacked, rows):
            if len(sizes) == len(entry.theirs):
                return sizes
        pieces = "is one layer" if len(stacked) == 1 else f"is made of {len(stacked)} layers"
        raise InputError(
            f"{self.file}: {len(entry.theirs)} of theirs ({some_of(list(entry.theirs))}) cannot be joined into "
            f"{' + '.join(entry.ours)}, which {pieces} in this model; give each of ours one of theirs, or as many of "
            "theirs as there are layers stacked in ours"
        )

    def _require(self, entry: WeightEntry, theirs: Mapping[str, Tensor]) -> None:
        missing = [name for name in entry.theirs if name not in theirs]
        if missing:
            raise InputError(
                f"the checkpoint lacks {some_of(missing)}, which {self.file} takes for this model's "
                f"{' + '.join(entry.ours)}{_nearest(missing[0], theirs, 'in the checkpoint')}"
            )

    def _left_over(self, left: Sequence[str], own: Mapping[str, Any]) -> str:
        """Why their tensors are not used: their entries fill nothing that the model has, or they have none."""
        first = left[0]
        for entry in self.entries:
            if any(_fits(pattern, first) for pattern in entry.theirs):
                i = _layer_in(next(pattern for pattern in entry.theirs if _fits(pattern, first)), first)
                wanted = next((n for one in entry.ours if (n := one.replace("{i}", i)) not in own), entry.ours[0])
                return (
                    f"the checkpoint holds {some_of(left)}; the entry of {self.file} for it fills {wanted}, which this "
                    f"model does not have{_nearest(wanted, own, 'in this model')}"
                )
        patterns = [pattern.replace("{i}", _numbers(first)) for entry in self.entries for pattern in entry.theirs]
        return (
            f"the checkpoint holds {some_of(left)}, for which {self.file} has no entry"
            f'{_nearest(first, patterns, "in the map")}; add one or, if it holds nothing new, name it in "ignore"'
        )

    def _idle(self, name: str, own: Mapping[str, Any]) -> str:
        """Entries that fill nothing of the model, of which one may be meant for `name` and misspelt."""
        idle = [pattern for entry in self.unmatched(own) for pattern in entry.ours]
        return f"; entries that fill nothing of it: {some_of(nearest(name, idle))}" if idle else ""

    def _ignored(self, name: str) -> bool:
        return any(_fits(known, name) for known in self.ignore)


def _own(model: nn.Module) -> dict[str, Tensor]:
    from partwise.runs.weights import model_tensors

    return model_tensors(model)


def _fits(pattern: str, name: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\{i\}", r"\d+"), name) is not None


def _layer_in(pattern: str, name: str) -> str:
    found = re.fullmatch(re.escape(pattern).replace(r"\{i\}", r"(\d+)"), name)
    return found[1] if found and found.groups() else ""


def _numbers(name: str) -> str:
    """The first number in a name: of a layer, if it is one of a layer's."""
    found = re.search(r"\.(\d+)\.", name)
    return found[1] if found else "0"


def _nearest(name: str, known: Iterable[str], where: str) -> str:
    """`; the nearest in the checkpoint are a, b`."""
    likest = nearest(name, [one for one in known if _numbers(one) == _numbers(name)])[:3]
    return f"; the nearest {where} {'is' if len(likest) == 1 else 'are'} {', '.join(likest)}" if likest else ""


def _layers(pattern: str, names: Mapping[str, Any]) -> list[str]:
    """The numbers that `{i}` stands for; one empty text for a pattern without it."""
    if "{i}" not in pattern:
        return [""]
    matcher = re.compile(re.escape(pattern).replace(r"\{i\}", r"(\d+)"))
    found = {match[1] for name in names if (match := matcher.fullmatch(name))}
    return sorted(found, key=int)


def _rows(tensor: Tensor) -> int:
    return tensor.shape[0] if tensor.ndim else 1


def _stacked(model: nn.Module, name: str, own: Mapping[str, Tensor]) -> list[int]:
    """The number of rows of each layer that is stacked into one; the tensor's own, if it is not stacked."""
    sizes = getattr(model.get_submodule(name.rpartition(".")[0]), "stacked", None)
    return list(sizes) if sizes else [_rows(own[name])]


def _joined(matched: Matched, theirs: Mapping[str, Tensor]) -> Tensor:
    """Their tensors joined along the rows; each must have as many rows as its layer has in ours."""
    import torch

    entry = matched.entry
    pieces = [theirs[name] for name in entry.theirs]
    pieces = [piece.T if entry.transpose and piece.ndim == 2 else piece for piece in pieces]
    if len(pieces) == 1:
        return pieces[0]
    for name, piece, rows in zip(entry.theirs, pieces, matched.sizes, strict=True):
        if piece.shape[:1] != (rows,) or piece.shape[1:] != pieces[0].shape[1:]:
            raise InputError(
                f"{name} is {_shape(theirs[name])}, which does not make {rows} rows of this model's "
                f"{' + '.join(entry.ours)}"
            )
    return torch.cat(pieces)


def _cut(whole: Tensor, entry: WeightEntry, own: Mapping[str, Tensor]) -> Sequence[Tensor]:
    if len(entry.ours) == 1:
        return [whole]
    sizes = [_rows(own[name]) for name in entry.ours]
    if whole.shape[:1] != (sum(sizes),):
        raise InputError(
            f"{' + '.join(entry.theirs)} is {_shape(whole)}, where this model's {' + '.join(entry.ours)} need "
            f"{' + '.join(map(str, sizes))} rows"
        )
    return whole.split(sizes)


def _regrouped(whole: Tensor, entry: WeightEntry, fact: Fact, back: bool = False) -> Tensor:
    regroup = entry.regroup
    if regroup is None:
        return whole
    if not whole.ndim:
        raise InputError(f"{' + '.join(entry.theirs)} is a single number, where {' + '.join(entry.ours)} needs rows")
    theirs = [fact(size) if isinstance(size, str) else size for size in regroup.shape]
    if -1 in theirs:
        theirs[theirs.index(-1)] = whole.shape[0] // -math.prod(theirs)
    order = regroup.order
    if not back:
        shape, axes = theirs, list(order)
    else:
        shape = [theirs[axis] for axis in order]
        axes = [order.index(axis) for axis in range(len(order))]
    count = len(shape)
    if math.prod(shape) != whole.shape[0]:
        asked = " x ".join(map(str, regroup.shape))
        raise InputError(
            f"{' + '.join(entry.theirs)}: the {whole.shape[0]} rows for this model's {' + '.join(entry.ours)} cannot "
            f"be viewed as {' x '.join(map(str, theirs))} ({asked})"
        )
    return whole.unflatten(0, shape).permute(*axes, *range(count, count + whole.ndim - 1)).flatten(0, count - 1)


def _check(
    entry: WeightEntry, ours: Mapping[str, Tensor], own: Mapping[str, Tensor], theirs: Mapping[str, Tensor]
) -> None:
    for name in entry.ours:
        if ours[name].shape != own[name].shape:
            given = joined(f"{one} {_shape(theirs[one])}" for one in entry.theirs)
            becomes = f", which becomes {_shape(ours[name])}" if entry.transpose or entry.regroup else ""
            raise InputError(f"{given}{becomes} in the checkpoint, but this model's {name} is {_shape(own[name])}")


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
