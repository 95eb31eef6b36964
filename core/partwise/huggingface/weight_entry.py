"""What one line of a weight map can say of tensors.

Their tensors become ours in this order, and ours theirs in the opposite one: `transpose`, `rows`, joined along the
axis, `groups` or `regroup`, cut into ours along the axis or viewed in our shape (`reshape`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Self

from annotated_types import Ge, MinLen
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from .arithmetic import keys_in

_PLACEHOLDERS = re.compile(r"\{[^{}]*\}")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _a_pattern(value: str, known: tuple[str, ...] = ("{i}",)) -> str:
    others = [found for found in _PLACEHOLDERS.findall(value) if found not in known]
    if others or not value.strip():
        experts = ", and {e} for an expert" if "{e}" in known else ""
        raise ValueError(f"expected the name of a tensor, in which {{i}} stands for a layer{experts}, got {value!r}")
    return value


def _their_pattern(value: str) -> str:
    return _a_pattern(value, ("{i}", "{e}"))


def _a_size(value: int | str) -> int | str:
    if isinstance(value, str):
        keys_in(value, "paths of the recipe")
    elif value < 1 and value != -1:
        raise ValueError(f"a size is 1 or more, or -1 for the rest, got {value}")
    return value


Pattern = Annotated[StrictStr, AfterValidator(_a_pattern)]
"""The name of a tensor; `{i}` stands for the number of a layer."""
TheirPattern = Annotated[StrictStr, AfterValidator(_their_pattern)]
"""The name of a tensor of theirs; `{e}` stands for the number of an expert."""
Size = Annotated[StrictInt | StrictStr, AfterValidator(_a_size)]
"""A number, a path of the recipe, or arithmetic on such paths; -1 is the rest."""
Sizes = Annotated[tuple[Size, ...], MinLen(1)]


def _one_rest(sizes: tuple[int | str, ...]) -> tuple[int | str, ...]:
    if sizes.count(-1) > 1:
        raise ValueError("only one size can be the rest, -1")
    return sizes


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Regroup(_Said):
    """Rows viewed as several axes and permuted: [heads, 3, width] to [3, heads, width]."""

    shape: Annotated[Sizes, AfterValidator(_one_rest)]
    """Sizes of the axes of their rows."""
    order: Annotated[tuple[StrictInt, ...], MinLen(1)]
    """The same axes in our order."""

    @model_validator(mode="after")
    def _orders_its_axes(self) -> Self:
        _refuse_disorder("axis of shape", len(self.shape), self.order)
        return self


class Groups(_Said):
    """Rows in groups of unlike pieces, which we keep piece by piece: of every group of heads its queries, its key and
    its value, to all queries, all keys, all values."""

    count: Size
    """Groups; -1, if a group has as many rows as its pieces say."""
    pieces: Annotated[tuple[Size, ...], MinLen(2)]
    """Sizes of the pieces of a group, in proportion to each other, in their order."""
    order: tuple[StrictInt, ...] | None = None
    """The same pieces in our order; null: in theirs."""

    @field_validator("pieces")
    @classmethod
    def _has_no_rest(cls, pieces: tuple[int | str, ...]) -> tuple[int | str, ...]:
        if -1 in pieces:
            raise ValueError("the size of a piece is 1 or more, got -1")
        return pieces

    @model_validator(mode="after")
    def _orders_its_pieces(self) -> Self:
        if self.order is not None:
            _refuse_disorder("piece", len(self.pieces), self.order)
        return self


def _refuse_disorder(what: str, count: int, order: tuple[int, ...]) -> None:
    if sorted(order) != list(range(count)):
        numbers = ", ".join(map(str, range(count)))
        raise ValueError(f"order has each {what} once ({numbers}), got {list(order)}")


class Rows(_Said):
    """Some rows of a tensor of theirs, as many as ours have."""

    begin: Annotated[StrictInt, Ge(0)] | StrictStr = 0
    """The first of them."""
    of: Size | None = None
    """How many theirs have; null: ours are the last."""
    fill: StrictFloat | StrictInt = 0.0
    """What the other rows hold in a checkpoint that is made from a run, unless another entry fills them."""

    @field_validator("begin", "of")
    @classmethod
    def _can_be_read(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, str):
            keys_in(value, "paths of the recipe")
        return value


class Constant(_Said):
    """A tensor of theirs that holds one value everywhere, so that nothing is lost without it."""

    name: TheirPattern
    value: StrictFloat | StrictInt = 0.0
    shape: Sizes | None = None
    """With which it is written into a checkpoint that is made from a run; null: it is left out there."""


class WeightEntry(_Said):
    """One line of the map."""

    ours: Annotated[tuple[Pattern, ...], BeforeValidator(_listed), MinLen(1)]
    theirs: Annotated[tuple[TheirPattern, ...], BeforeValidator(_listed), MinLen(1)]
    """Several are joined. Those of experts, {e}, are stacked along a new first axis."""
    when: dict[StrictStr, Any] = {}
    """Paths of the recipe, and what stands there where this line applies."""
    axis: Annotated[StrictInt, Ge(0)] = 0
    """Along which theirs are joined, grouped and cut: 0, the rows; 1, the rows of each expert."""
    transpose: StrictBool = False
    """Whether the last two axes of theirs are the other way round (GPT-2's "Conv1D")."""
    rows: Rows | None = None
    groups: Groups | None = None
    regroup: Regroup | None = None
    reshape: Annotated[Sizes, AfterValidator(_one_rest)] | None = None
    """The shape of theirs, which has as many numbers as ours."""

    @model_validator(mode="after")
    def _names_layers_on_both_sides(self) -> Self:
        layered = ["{i}" in name for name in self.ours]
        if any(layered) != all(layered):
            raise ValueError("either all of ours are of a layer, {i}, or none")
        if not any(layered) and any("{i}" in name for name in self.theirs):
            raise ValueError("theirs are of a layer, {i}, and ours are not")
        return self

    @model_validator(mode="after")
    def _says_nothing_twice(self) -> Self:
        if self.groups is not None and self.regroup is not None:
            raise ValueError("groups and regroup both order the rows; give one of them")
        for name in ("reshape", "rows"):
            if getattr(self, name) is not None and len(self.theirs) > 1:
                raise ValueError(f"{name} is for one of theirs, got {len(self.theirs)}")
        if self.reshape is not None and len(self.ours) > 1:
            raise ValueError(f"reshape is for one of ours, got {len(self.ours)}")
        if self.reshape is not None and self.of_experts:
            raise ValueError("reshape is not for experts, {e}, which are stacked")
        return self

    @property
    def of_experts(self) -> bool:
        """Whether theirs are one for each expert."""
        return any("{e}" in name for name in self.theirs)

    def __str__(self) -> str:
        return f"{' + '.join(self.ours)} <- {' + '.join(self.theirs)}"


@dataclass(frozen=True)
class Matched:
    """An entry for one layer of a model."""

    entry: WeightEntry
    """With the number of the layer in its names."""
    sizes: tuple[int, ...]
    """Of each of theirs along the axis, in our order."""
    experts: int
    """How many tensors `{e}` stands for; 1 where it does not stand."""

    def of_each(self, name: str) -> list[str]:
        """The names that one of theirs stands for."""
        return [name.replace("{e}", str(number)) for number in range(self.experts)] if "{e}" in name else [name]

    @property
    def theirs(self) -> list[str]:
        """Names of all of theirs."""
        return [one for name in self.entry.theirs for one in self.of_each(name)]


__all__ = ["Constant", "Groups", "Matched", "Pattern", "Regroup", "Rows", "Size", "TheirPattern", "WeightEntry"]
