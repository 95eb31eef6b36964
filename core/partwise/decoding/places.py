"""Texts side by side in one decoding, each of which can make room for another between two steps.

All of them end at the same place of the states; what stands before a shorter one is padding. So a text can begin while
others are in the middle: its prompt is read into the places before the common end. When the states are full, all texts
move to their front.

Shapes: B rows, T positions, M positions of the source, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from partwise.data.batch import IGNORED, Batch
from partwise.modules.protocols import Extends, Model
from partwise.modules.states import Decoding, State

from .prefill import read_prompt
from .prompts import left_padded

Axes = list[dict[str, Any]]
"""For each state the axis of each tensor along which tokens lie, or None if it has none."""


def rows_can_change(model: Model) -> bool:
    """Whether a text can begin while others are in the middle: the model can `extend`, its states hold tokens along one
    axis at most, and none of its modules says `rows_begin_together`."""
    return hasattr(model, "extend") and token_axes(model) is not None


def token_axes(model: Model, memory_length: int = 1) -> Axes | None:
    """Along which axes of a model's states tokens lie; None if a tensor has several such axes, or a module says that
    `rows_begin_together`."""
    if any(getattr(module, "rows_begin_together", False) for module in cast(nn.Module, model).modules()):
        return None
    one, other = model.empty_states(1, 2, memory_length), model.empty_states(1, 3, memory_length)
    try:
        return [axes_of(a, b) for a, b in zip(one, other, strict=True)]
    except ValueError:
        return None


def axes_of(one: State, other: State) -> dict[str, Any]:
    """The axis of each tensor along which tokens lie, or None, by states for 2 tokens and for 3.

    Raises:
        ValueError: a tensor has several such axes.
    """
    found: dict[str, Any] = {}
    for name, value in one.items():
        if isinstance(value, dict):
            found[name] = axes_of(value, other[name])
            continue
        sizes = list(zip(value.shape, other[name].shape, strict=True))
        grows = [axis for axis, (small, large) in enumerate(sizes) if small != large]
        if len(grows) > 1 or any(sizes[axis] != (2, 3) for axis in grows):
            raise ValueError(name)
        found[name] = grows[0] if grows else None
    return found


class Places:
    """A model, and the texts that it decodes."""

    def __init__(self, model: Model, room: int, end: int, chunk: int, memory_length: int = 0) -> None:
        """
        Args:
            model: one whose rows can change.
            room: tokens of the longest text.
            memory_length: tokens of the longest source; 0 without any.
        """
        self._model, self._room, self._end, self._chunk = model, room, end, chunk
        self._memory_length = memory_length
        self._axes = token_axes(model, memory_length or 1) or []
        self._decoding: Decoding | None = None
        self.logits: Tensor
        """[B, V], of the next token of each text."""

    @torch.inference_mode()
    def begin(self, prompts: Sequence[Batch]) -> None:
        """Texts in place of all that there are."""
        prompt = self._side_by_side(prompts)
        self.logits, self._decoding = self._read(prompt, prompt.tokens.shape[1])

    @torch.inference_mode()
    def put(self, rows: Sequence[int], prompts: Sequence[Batch]) -> None:
        """Exchanges the texts of some rows for others."""
        decoding, prompt = self._now, self._side_by_side(prompts)
        missing = prompt.tokens.shape[1] - decoding.length
        if missing > 0:
            self._move(missing)
        logits, other = self._read(prompt, decoding.length)
        index = torch.tensor(rows, device=logits.device)
        for mine, its in zip(decoding.states, other.states, strict=True):
            _write(mine, its, index)
        for name in ("padding", "positions", "memory", "memory_padding"):
            value = getattr(decoding, name)
            if value is not None:
                value[index] = getattr(other, name)
        self.logits[index] = logits

    @torch.inference_mode()
    def step(self, tokens: Tensor, idle: Sequence[int], longest: int) -> None:
        """One more token for each text, [B].

        Args:
            idle: rows whose text is over, and will be exchanged.
            longest: tokens of the longest of the other texts, which is below `room`.
        """
        decoding = self._now
        if decoding.length == self._room:
            self._move(longest - decoding.length)
        if idle:  # wherever they are, they need a position that the model knows
            assert decoding.positions is not None
            decoding.positions[torch.tensor(idle, device=tokens.device)] = 0
        # In place, so that rows can be written into it.
        self.logits = self._model.step(tokens, decoding)

    @torch.inference_mode()
    def keep(self, rows: Sequence[int]) -> None:
        """Leaves only these texts."""
        index = torch.tensor(rows, device=self.logits.device)
        self._now.reorder(index)
        self.logits = self.logits.index_select(0, index)

    @property
    def _now(self) -> Decoding:
        assert self._decoding is not None, "texts have begun"
        return self._decoding

    def _read(self, prompt: Batch, length: int) -> tuple[Tensor, Decoding]:
        """Prompts [B, T] read into the last T of the first `length` places."""
        T, room = prompt.tokens.shape[1], self._room
        if length == T:
            return read_prompt(self._model, prompt, room, self._chunk)
        nothing = torch.zeros_like(prompt.tokens[:, :1], dtype=torch.bool)
        one = replace(prompt, tokens=prompt.tokens[:, :1], targets=prompt.targets[:, :1], padding=nothing)
        logits, decoding = self._model.begin(one, room)
        assert decoding.padding is not None
        decoding.length = length - T
        decoding.padding[:, : decoding.length] = False
        decoding.padding[:, decoding.length : length] = cast(Tensor, prompt.padding)
        for start in range(0, T, self._chunk):
            piece = prompt.tokens[:, start : start + self._chunk]
            logits = cast(Extends, self._model).extend(piece, decoding)[:, -1]
        return logits, decoding

    def _move(self, by: int) -> None:
        """Moves all texts to the right, or to the left where `by` is negative; only padding may be lost."""
        decoding = self._now
        assert decoding.padding is not None
        kept = decoding.length + min(by, 0)
        source, target = max(-by, 0), max(by, 0)
        for state, axes in zip(decoding.states, self._axes, strict=True):
            move(state, axes, source, target, kept)
        there = decoding.padding[:, source : source + kept].clone()
        decoding.padding.fill_(True)
        decoding.padding[:, :target] = False
        decoding.padding[:, target : target + kept] = there
        decoding.length += by

    def _side_by_side(self, prompts: Sequence[Batch]) -> Batch:
        """Prompts of one row each as one batch, with padding even where none is needed."""
        device = prompts[0].tokens.device
        prompt = left_padded([one.tokens[0].tolist() for one in prompts], self._end).to(device)
        tokens = prompt.tokens
        padding = torch.ones_like(tokens, dtype=torch.bool) if prompt.padding is None else prompt.padding
        sources = [one.source[0] for one in prompts if one.source is not None]
        if not sources:
            return replace(prompt, padding=padding)
        filled = torch.full((len(sources), self._memory_length), self._end, device=device)
        there = torch.zeros_like(filled, dtype=torch.bool)
        for row, source in enumerate(sources):
            filled[row, : len(source)] = source
            there[row, : len(source)] = True
        return Batch(tokens, torch.full_like(tokens, IGNORED), padding, source=filled, source_padding=there)


def _write(mine: State, other: State, rows: Tensor) -> None:
    for name, value in mine.items():
        if isinstance(value, dict):
            _write(value, other[name], rows)
        else:
            value[rows] = other[name]


def move(state: State, axes: dict[str, Any], source: int, target: int, count: int) -> None:
    """Moves what `count` places from `source` hold to those from `target`."""
    for name, value in state.items():
        if isinstance(value, dict):
            move(value, axes[name], source, target, count)
        elif axes[name] is not None:
            kept = value.narrow(axes[name], source, count).clone()
            value.narrow(axes[name], target, count).copy_(kept)


__all__ = ["Places", "axes_of", "move", "rows_can_change", "token_axes"]
