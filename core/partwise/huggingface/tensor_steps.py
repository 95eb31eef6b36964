"""Their tensors of one entry to ours, and ours to theirs: each step, and its opposite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from partwise.errors import InputError
from partwise.wording import joined

from .facts import Facts
from .weight_entry import Groups, Matched, Regroup, WeightEntry

if TYPE_CHECKING:
    from torch import Tensor


def to_ours(matched: Matched, theirs: Mapping[str, Tensor], own: Mapping[str, Tensor], facts: Facts) -> list[Tensor]:
    """The tensors of ours that an entry makes, in its order.

    Raises:
        InputError: theirs have another shape.
    """
    import torch

    entry = matched.entry
    pieces = [
        _taken(matched, name, theirs, size, facts) for name, size in zip(entry.theirs, matched.sizes, strict=True)
    ]
    _refuse_unlike(matched, pieces, theirs)
    whole = torch.cat(pieces, entry.axis) if len(pieces) > 1 else pieces[0]
    whole = _reordered(whole, entry, facts)
    if entry.reshape is not None:
        _refuse_other_view(whole, entry, facts.numbers(entry.reshape))
        return [whole.reshape(own[entry.ours[0]].shape)] if whole.numel() == own[entry.ours[0]].numel() else [whole]
    return _cut(whole, entry, own, theirs, matched)


def _refuse_other_view(whole: Tensor, entry: WeightEntry, sizes: Sequence[int]) -> None:
    """
    Raises:
        InputError: theirs are not of the shape that export would write.
    """
    alike = len(sizes) == whole.ndim and all(
        size in (-1, given) for size, given in zip(sizes, whole.shape, strict=True)
    )
    if not alike:
        asked = ", ".join(map(str, entry.reshape or ()))
        raise InputError(f"{entry.theirs[0]} is {shape(whole)}, and reshape says that it is ({asked})")


def to_theirs(matched: Matched, ours: Mapping[str, Tensor], facts: Facts) -> list[tuple[str, Tensor, int | None]]:
    """Name, tensor and, where it is only some of the rows of theirs, the first of them."""
    import torch

    entry = matched.entry
    whole = torch.cat([ours[name] for name in entry.ours], entry.axis) if len(entry.ours) > 1 else ours[entry.ours[0]]
    if entry.reshape is not None:
        whole = whole.reshape(facts.numbers(entry.reshape))
    whole = _reordered(whole, entry, facts, back=True)
    begin = None if entry.rows is None else facts.number(entry.rows.begin, least=0)
    made: list[tuple[str, Tensor, int | None]] = []
    for name, piece in zip(entry.theirs, _split(whole, matched), strict=True):
        ones = piece.unbind(0) if "{e}" in name else [piece]
        made += [(each, _turned(one, entry), begin) for each, one in zip(matched.of_each(name), ones, strict=True)]
    return made


def _split(whole: Tensor, matched: Matched) -> Sequence[Tensor]:
    sizes = list(matched.sizes)
    return whole.split(sizes, matched.entry.axis) if len(sizes) > 1 else [whole]


def _turned(tensor: Tensor, entry: WeightEntry) -> Tensor:
    return tensor.mT if entry.transpose and tensor.ndim > 1 else tensor


def _taken(matched: Matched, name: str, theirs: Mapping[str, Tensor], size: int, facts: Facts) -> Tensor:
    """One of theirs, or that of each expert, stacked; the other way round, and the rows that are ours, as told."""
    import torch

    entry = matched.entry
    ones = [_turned(theirs[one], entry) for one in matched.of_each(name)]
    whole = torch.stack(ones) if "{e}" in name and _alike(ones) else ones[0]
    if entry.rows is None:
        return whole
    begin = facts.number(entry.rows.begin, least=0)
    total = begin + size if entry.rows.of is None else facts.number(entry.rows.of)
    if whole.shape[entry.axis : entry.axis + 1] != (total,) or begin + size > total:
        raise InputError(
            f"{name} is {shape(theirs[matched.of_each(name)[0]])}, where {size} rows for {' + '.join(entry.ours)} are "
            f"taken from row {begin} on, of {total}"
        )
    return whole.narrow(entry.axis, begin, size)


def _alike(tensors: Sequence[Tensor]) -> bool:
    return all(one.shape == tensors[0].shape for one in tensors)


def _refuse_unlike(matched: Matched, pieces: Sequence[Tensor], theirs: Mapping[str, Tensor]) -> None:
    """
    Raises:
        InputError: pieces that are joined do not have the rows that the layers have in ours, or are unlike otherwise.
    """
    entry, axis = matched.entry, matched.entry.axis
    for name, piece, rows in zip(entry.theirs, pieces, matched.sizes, strict=True):
        others = [[*one.shape[:axis], *one.shape[axis + 1 :]] for one in (piece, pieces[0])]
        if len(pieces) > 1 and (piece.shape[axis : axis + 1] != (rows,) or others[0] != others[1]):
            raise InputError(
                f"{name} is {shape(theirs[matched.of_each(name)[0]])}, which does not make {rows} rows of this model's "
                f"{' + '.join(entry.ours)}"
            )


def _reordered(whole: Tensor, entry: WeightEntry, facts: Facts, back: bool = False) -> Tensor:
    if entry.groups is None and entry.regroup is None:
        return whole
    if whole.ndim <= entry.axis:
        raise InputError(f"{' + '.join(entry.theirs)} is {shape(whole)}, where {' + '.join(entry.ours)} needs rows")
    whole = whole.movedim(entry.axis, 0)
    if entry.groups is not None:
        whole = _grouped(whole, entry, entry.groups, facts, back)
    elif entry.regroup is not None:
        whole = _regrouped(whole, entry, entry.regroup, facts, back)
    return whole.movedim(0, entry.axis)


def _grouped(whole: Tensor, entry: WeightEntry, groups: Groups, facts: Facts, back: bool) -> Tensor:
    """[groups * rows of each, ...], of the pieces of each group to the groups of each piece."""
    import torch

    pieces, rows = facts.numbers(groups.pieces), whole.shape[0]
    count = facts.number(groups.count)
    count = rows // sum(pieces) if count == -1 else count
    if not count or rows % (count * sum(pieces)):
        asked = ", ".join(map(str, groups.pieces))
        raise InputError(
            f"{' + '.join(entry.theirs)}: the {rows} rows for this model's {' + '.join(entry.ours)} are not {count} "
            f"({groups.count}) groups of pieces in proportion {' : '.join(map(str, pieces))} ({asked})"
        )
    unit = rows // (count * sum(pieces))
    order = list(groups.order or range(len(pieces)))
    if not back:
        parts = whole.unflatten(0, (count, -1)).split([piece * unit for piece in pieces], 1)
        return torch.cat([parts[number].flatten(0, 1) for number in order])
    parts = whole.split([count * pieces[number] * unit for number in order])
    theirs = [parts[order.index(number)].unflatten(0, (count, -1)) for number in range(len(pieces))]
    return torch.cat(theirs, 1).flatten(0, 1)


def _regrouped(whole: Tensor, entry: WeightEntry, regroup: Regroup, facts: Facts, back: bool) -> Tensor:
    theirs = facts.numbers(regroup.shape)
    if -1 in theirs:
        theirs[theirs.index(-1)] = whole.shape[0] // -math.prod(theirs)
    order = regroup.order
    if not back:
        sizes, axes = theirs, list(order)
    else:
        sizes = [theirs[axis] for axis in order]
        axes = [order.index(axis) for axis in range(len(order))]
    count = len(sizes)
    if math.prod(sizes) != whole.shape[0]:
        asked = " x ".join(map(str, regroup.shape))
        raise InputError(
            f"{' + '.join(entry.theirs)}: the {whole.shape[0]} rows for this model's {' + '.join(entry.ours)} cannot "
            f"be viewed as {' x '.join(map(str, theirs))} ({asked})"
        )
    return whole.unflatten(0, sizes).permute(*axes, *range(count, count + whole.ndim - 1)).flatten(0, count - 1)


def _cut(
    whole: Tensor, entry: WeightEntry, own: Mapping[str, Tensor], theirs: Mapping[str, Tensor], matched: Matched
) -> list[Tensor]:
    if len(entry.ours) == 1:
        return [whole]
    sizes = [length(own[name], entry.axis) for name in entry.ours]
    if whole.shape[entry.axis : entry.axis + 1] != (sum(sizes),):
        raise InputError(
            f"{' + '.join(entry.theirs)} is {shape(whole)}, where this model's {' + '.join(entry.ours)} need "
            f"{' + '.join(map(str, sizes))} rows"
        )
    return list(whole.split(sizes, entry.axis))


def refuse_other_shapes(
    matched: Matched, ours: Mapping[str, Tensor], own: Mapping[str, Tensor], theirs: Mapping[str, Tensor]
) -> None:
    """
    Raises:
        InputError: what came out does not have the shape that the model's tensor has.
    """
    entry = matched.entry
    for name in entry.ours:
        if ours[name].shape != own[name].shape:
            firsts = [matched.of_each(one)[0] for one in entry.theirs]
            given = joined(f"{one} {shape(theirs[one])}" for one in firsts)
            plain = not (entry.transpose or entry.regroup or entry.groups or entry.of_experts)
            becomes = "" if plain else f", which becomes {shape(ours[name])}"
            raise InputError(f"{given}{becomes} in the checkpoint, but this model's {name} is {shape(own[name])}")


def refuse_other_types(name: str, tensor: Tensor) -> None:
    """
    Raises:
        InputError: it holds no weights as they are: it is quantised, or something else.
    """
    import torch

    if tensor.dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        return
    kind = str(tensor.dtype).removeprefix("torch.")
    if tensor.dtype in (torch.bool, torch.int64, torch.complex64):
        raise InputError(f"{name} is {kind}, and weights are float64, float32, bfloat16 or float16")
    raise InputError(f"{name} is {kind}: the checkpoint is quantised; import the one that it was made from")


def length(tensor: Tensor, axis: int) -> int:
    """Along an axis; 1 where the tensor does not have it."""
    return tensor.shape[axis] if tensor.ndim > axis else 1


def shape(tensor: Tensor) -> str:
    """For messages."""
    return str(tuple(tensor.shape))


__all__ = ["length", "refuse_other_shapes", "refuse_other_types", "shape", "to_ours", "to_theirs"]
