"""From the tensors of a checkpoint to ours, and back, by the lines of a map (weight_entry.py)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError
from partwise.recipe.suggestions import nearest
from partwise.wording import some_of

from . import tensor_steps
from .facts import Facts
from .tensor_names import fits, layer_in, layers, near, number_in
from .tensor_steps import length, refuse_other_types
from .weight_entry import Constant, Matched, WeightEntry

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class WeightMap:
    """The entries that apply to a model."""

    entries: Sequence[WeightEntry]
    ignore: Sequence[str] = ()
    """Their tensors that hold nothing new: masks, tables of positions."""
    constants: Sequence[Constant] = ()
    """Their tensors that hold nothing, if they hold one value."""
    file: str = "the weight map"
    """Its name, for messages."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Their tensors that hold nothing new, if they are equal to another of theirs."""

    def plan(self, model: nn.Module, facts: Facts) -> list[Matched]:
        """The entries for the model, which may be on the meta device, one for each layer.

        Args:
            facts: of the recipe that made the model.

        Raises:
            InputError: a tensor has no entry, or two; or an entry joins what the model does not stack.
        """
        own = _own(model)
        matched: list[Matched] = []
        filled: dict[str, WeightEntry] = {}
        for pattern, entry in self._matching(own, facts):
            for name in entry.ours:
                if name in filled:
                    raise InputError(
                        f"{self.file}: two entries fill {name}: {filled[name]}, and {pattern}; take one of them out"
                    )
                filled[name] = pattern
            experts = length(own[entry.ours[0]], 0) if entry.of_experts else 1
            matched.append(Matched(entry, tuple(self._sizes(entry, model, own)), experts))
        if missing := [name for name in own if name not in filled]:
            raise InputError(
                f"{self.file}: no entry fills this model's {some_of(missing)}{self._idle(missing[0], own, facts)}"
            )
        return matched

    def misfits(self, model: nn.Module, facts: Facts) -> Iterator[tuple[WeightEntry, str]]:
        """Entries that join what the model does not stack, and what is wrong with each."""
        own = _own(model)
        for pattern, entry in self._matching(own, facts):
            try:
                self._sizes(entry, model, own)
            except InputError as error:
                yield pattern, str(error)

    def to_ours(self, theirs: Mapping[str, Tensor], model: nn.Module, facts: Facts) -> dict[str, Tensor]:
        """Tensors for `model` (which may be on the meta device) by its own names.

        Raises:
            InputError: a tensor is missing, left over, or of another shape.
        """
        self.refuse_other_values(theirs, model, facts)
        return {name: tensor.contiguous() for name, tensor in self.each_of_ours(theirs, model, facts)}

    def refuse_misfits(self, drafts: Mapping[str, Tensor], model: nn.Module, facts: Facts) -> None:
        """Refuses what can be refused by names, types and shapes alone.

        Args:
            drafts: theirs, on the meta device.

        Raises:
            InputError: a tensor is missing, left over, of another shape, or quantised.
        """
        plan, own = self.plan(model, facts), _own(model)
        for matched in plan:
            self._require(matched, drafts)
            for name in matched.theirs:
                refuse_other_types(name, drafts[name])
        if unknown := [name for name, role in self._others(drafts, plan).items() if role is None]:
            raise InputError(self._left_over(unknown, own))
        for _ in self.each_of_ours(drafts, model, facts):
            pass

    def refuse_other_values(self, theirs: Mapping[str, Tensor], model: nn.Module, facts: Facts) -> None:
        """
        Raises:
            InputError: a tensor is left over, or a constant or a copy is none.
        """
        others = self._others(theirs, self.plan(model, facts))
        if unknown := [name for name, role in others.items() if role is None]:
            raise InputError(self._left_over(unknown, _own(model)))
        for name, role in others.items():
            if isinstance(role, Constant) and not (theirs[name] == role.value).all():
                raise InputError(
                    f"{name} is not {role.value:g} everywhere, as {self.file} expects; this model has no part for it"
                )
            if isinstance(role, str) and not (role in theirs and theirs[name].equal(theirs[role])):
                raise InputError(
                    f"{name} is not equal to {role}, as {self.file} expects; this model has no part for it (whether "
                    "embeddings are tied is a key of config.json)"
                )

    def _others(self, theirs: Iterable[str], plan: Sequence[Matched]) -> dict[str, Constant | str | None]:
        """Theirs that no entry takes and that are not ignored: of what they are a constant or a copy, if of any."""
        used = {name for matched in plan for name in matched.theirs}
        left = [name for name in theirs if name not in used and not any(fits(one, name) for one in self.ignore)]
        found: dict[str, Constant | str | None] = dict.fromkeys(left)
        for name in left:
            found[name] = next((one for one in self.constants if fits(one.name, name)), None)
            if (copy := next((one for one in self.copies if fits(one, name)), None)) is not None:
                found[name] = self.copies[copy].replace("{i}", layer_in(copy, name))
        return found

    def source_of(self, name: str, model: nn.Module, facts: Facts) -> list[str]:
        """Of which of theirs one of ours is made."""
        return next(matched.theirs for matched in self.plan(model, facts) if name in matched.entry.ours)

    def each_of_ours(
        self, theirs: Mapping[str, Tensor], model: nn.Module, facts: Facts
    ) -> Iterator[tuple[str, Tensor]]:
        """`to_ours`, one after the other: theirs are read as they are needed, and not kept. What else theirs hold is
        for `refuse_other_values`."""
        own, plan = _own(model), self.plan(model, facts)
        for matched in plan:
            self._require(matched, theirs)
        for matched in plan:
            made = tensor_steps.to_ours(matched, theirs, own, facts)
            ours = dict(zip(matched.entry.ours, made, strict=True))
            tensor_steps.refuse_other_shapes(matched, ours, own, theirs)
            yield from ((name, one.flatten(0, 1) if _alike(model, name) else one) for name, one in ours.items())

    def to_theirs(self, ours: Mapping[str, Tensor], model: nn.Module, facts: Facts) -> dict[str, Tensor]:
        """The checkpoint's tensors by its names, from those of `model`.

        Raises:
            InputError: the map does not know a tensor of the model, or two that are not equal are one of theirs.
        """
        theirs: dict[str, Tensor] = {}
        plan = self.plan(model, facts)
        ours = _by_layer(model, ours)
        for matched in plan:
            for name, made, begin in tensor_steps.to_theirs(matched, ours, facts):
                one = made if begin is None else _among(made, begin, matched.entry, facts, theirs.get(name))
                if begin is None and name in theirs and not theirs[name].equal(one):
                    raise InputError(
                        f"{self.file}: {name} has to hold {' + '.join(matched.entry.ours)} and another tensor of this "
                        "model, and they are not equal"
                    )
                theirs[name] = one
        return {**_constants(self.constants, plan, facts), **{n: one.contiguous() for n, one in theirs.items()}}

    def unmatched(self, own: Mapping[str, Any], facts: Facts | None = None) -> list[WeightEntry]:
        """Entries that fill none of these tensors of ours."""
        used = {id(pattern) for pattern, _ in self._matching(own, facts)}
        return [entry for entry in self.entries if id(entry) not in used]

    def _matching(self, names: Mapping[str, Any], facts: Facts | None) -> Iterator[tuple[WeightEntry, WeightEntry]]:
        """Entries all of whose tensors the model has, once per layer: as written, and with the layer's number. Without
        facts, also those that apply to other recipes only."""
        for entry in self.entries:
            if facts is not None and not facts.holds(entry.when):
                continue
            for i in layers(entry.ours[0], names):
                ours, theirs = (tuple(n.replace("{i}", i) for n in side) for side in (entry.ours, entry.theirs))
                if all(name in names for name in ours):
                    yield entry, entry.model_copy(update={"ours": ours, "theirs": theirs})

    def _sizes(self, entry: WeightEntry, model: nn.Module, own: Mapping[str, Tensor]) -> list[int]:
        """Rows of each of theirs: of ours one by one, or of the layers that ours are stacked from."""
        rows = [length(own[name], entry.axis) for name in entry.ours]
        if len(entry.theirs) == 1:
            return [sum(rows)]
        stacked = [size for name in entry.ours for size in _stacked(model, name, own)] if not entry.axis else rows
        for sizes in (stacked, rows):
            if len(sizes) == len(entry.theirs):
                return sizes
        pieces = "is one layer" if len(stacked) == 1 else f"is made of {len(stacked)} layers"
        raise InputError(
            f"{self.file}: {len(entry.theirs)} of theirs ({some_of(list(entry.theirs))}) cannot be joined into "
            f"{' + '.join(entry.ours)}, which {pieces} in this model; give each of ours one of theirs, or as many of "
            "theirs as there are layers stacked in ours"
        )

    def _require(self, matched: Matched, theirs: Mapping[str, Tensor]) -> None:
        missing = [name for name in matched.theirs if name not in theirs]
        if missing:
            raise InputError(
                f"the checkpoint lacks {some_of(missing)}, which {self.file} takes for this model's "
                f"{' + '.join(matched.entry.ours)}{near(missing[0], theirs, 'in the checkpoint')}"
            )

    def _left_over(self, left: Sequence[str], own: Mapping[str, Any]) -> str:
        """Why their tensors are not used: their entries fill nothing that the model has, or they have none."""
        first = left[0]
        for entry in self.entries:
            if any(fits(pattern, first) for pattern in entry.theirs):
                i = layer_in(next(pattern for pattern in entry.theirs if fits(pattern, first)), first)
                wanted = next((n for one in entry.ours if (n := one.replace("{i}", i)) not in own), None)
                if wanted is None:
                    return (
                        f"the checkpoint holds {some_of(left)}; the entry of {self.file} for it does not apply to this "
                        f'model: its "when" does not hold, or the model has fewer experts'
                    )
                return (
                    f"the checkpoint holds {some_of(left)}; the entry of {self.file} for it fills {wanted}, which this "
                    f"model does not have{near(wanted, own, 'in this model')}"
                )
        patterns = [pattern.replace("{i}", number_in(first)) for entry in self.entries for pattern in entry.theirs]
        return (
            f"the checkpoint holds {some_of(left)}, for which {self.file} has no entry"
            f'{near(first, patterns, "in the map")}; add one or, if it holds nothing new, name it in "ignore"'
        )

    def _idle(self, name: str, own: Mapping[str, Any], facts: Facts) -> str:
        """Entries that fill nothing of the model, of which one may be meant for `name` and misspelt."""
        idle = [pattern for entry in self.unmatched(own, facts) for pattern in entry.ours]
        return f"; entries that fill nothing of it: {some_of(nearest(name, idle))}" if idle else ""


def _own(model: nn.Module) -> dict[str, Tensor]:
    from partwise.runs.weights import model_tensors

    return _by_layer(model, model_tensors(model))


def _by_layer(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors; those of layers that are alike and stacked, such as experts, with a first axis for them."""
    counts = {name: _alike(model, name) for name in tensors}
    return {name: one.unflatten(0, (counts[name], -1)) if counts[name] else one for name, one in tensors.items()}


def _alike(model: nn.Module, name: str) -> int:
    """How many layers of one shape are stacked in a tensor; 0 if it is one layer."""
    return int(getattr(model.get_submodule(name.rpartition(".")[0]), "alike", 0))


def _stacked(model: nn.Module, name: str, own: Mapping[str, Tensor]) -> list[int]:
    """The number of rows of each layer that is stacked into one; the tensor's own, if it is not stacked."""
    sizes = getattr(model.get_submodule(name.rpartition(".")[0]), "stacked", None)
    return list(sizes) if sizes else [length(own[name], 0)]


def _among(made: Tensor, begin: int, entry: WeightEntry, facts: Facts, there: Tensor | None) -> Tensor:
    """The whole tensor of theirs, some rows of which are `made`; `there` is what other entries have made of it."""
    assert entry.rows is not None
    axis, last = entry.axis, made.ndim - 1
    if entry.transpose and last and axis >= last - 1:
        axis = 2 * last - 1 - axis
    whole = there
    if whole is None:
        count = made.shape[axis]
        total = begin + count if entry.rows.of is None else facts.number(entry.rows.of)
        whole = made.new_full((*made.shape[:axis], total, *made.shape[axis + 1 :]), entry.rows.fill)
    whole.narrow(axis, begin, made.shape[axis]).copy_(made)
    return whole


def _constants(constants: Sequence[Constant], plan: Sequence[Matched], facts: Facts) -> dict[str, Tensor]:
    """Those that are written; of a layer, once for each layer whose other tensors are written."""
    import torch

    names = [name for matched in plan for name in matched.theirs]
    return {
        one.name.replace("{i}", i): torch.full(facts.numbers(one.shape), float(one.value))
        for one in constants
        if one.shape is not None
        for i in _numbers_behind(one.name, names)
    }


def _numbers_behind(pattern: str, names: Sequence[str]) -> list[str]:
    """The layers of names that begin as the pattern does before its `{i}`; one empty text for one without it."""
    before, found, _ = pattern.partition("{i}")
    if not found:
        return [""]
    behind = [name.removeprefix(before).partition(".")[0] for name in names if name.startswith(before)]
    return sorted({one for one in behind if one.isdecimal()}, key=int)


__all__ = ["WeightMap"]
