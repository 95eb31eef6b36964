"""A decoder that takes back what it has read last, as a draft of several tokens needs it.

Keys and values, and whatever else lies in a state token by token, are cut by counting fewer tokens. What is no longer
apart in a state, such as that of a recurrence, is copied beforehand and put back; the tokens that stay are then read
again together with those that come next, so that no pass is made for them alone.

Shapes: T tokens, V vocabulary.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from partwise.data.batch import Batch
from partwise.modules.protocols import Extends, Model
from partwise.modules.states import State

from .decoder import Decoder
from .places import token_axes
from .prefill import CHUNK


class Revisable(Decoder):
    """A decoder of one text, of a model that can `extend` and reads no source."""

    def __init__(
        self, model: Model, prompt: Batch, end: int, room: int, ends: tuple[int, ...] = (), chunk: int = CHUNK
    ) -> None:
        super().__init__(model, prompt, end, room, ends, chunk=chunk)
        self._axes = token_axes(model)
        self._kept: list[State] = []
        self._kept_length = 0

    @property
    def left(self) -> int:
        """Tokens for which there is room before the window begins anew."""
        return self._room - self._length

    @torch.inference_mode()
    def read(self, tokens: Tensor) -> Tensor:
        """Appends tokens [T], at most `left` or one, and returns the logits [T, V] of what follows each of them."""
        if not self.left:
            self._begin(self._last_half(tokens))
            return self.logits
        self.note(tokens)
        # Those that stood when others were taken back may have to be read again.
        unread = self._window[:, self._decoding.length : self._length]
        if unread.shape[1] == 1:
            return self._model.step(unread[:, 0], self._decoding)
        return cast(Extends, self._model).extend(unread, self._decoding, len(tokens))[0]

    @torch.inference_mode()
    def note(self, tokens: Tensor) -> None:
        """Appends tokens [T], at most `left`, which are read with the next."""
        self._window[0, self._length : self._length + len(tokens)] = tokens
        self._length += len(tokens)

    @torch.inference_mode()
    def mark(self) -> None:
        """Remembers this place: what is appended from now on can be taken back."""
        self._kept_length = self._decoding.length
        states, axes = self._decoding.states, self._axes
        self._kept = [_copied(state, None if axes is None else axes[i]) for i, state in enumerate(states)]

    @torch.inference_mode()
    def take_back(self, count: int) -> None:
        """Forgets the last tokens, which were appended after the mark."""
        self._length -= count
        decoding = self._decoding
        if decoding.length <= self._length:
            return
        length = self._kept_length if any(self._kept) else self._length
        for state, kept in zip(decoding.states, self._kept, strict=True):
            _put_back(state, kept)
        if decoding.positions is not None:
            decoding.positions = decoding.positions - (decoding.length - length)
        decoding.length = length


def _copied(state: State, axes: dict[str, Any] | None) -> State:
    """What of a state would not be as it was if fewer tokens were counted; everything, if nothing is known of it."""
    kept: State = {}
    for name, value in state.items():
        axis = None if axes is None else axes[name]
        if isinstance(value, dict):
            inner = _copied(value, axis)
            if inner:
                kept[name] = inner
        elif axis is None:
            kept[name] = value.clone()
    return kept


def _put_back(state: State, kept: State) -> None:
    for name, value in kept.items():
        if isinstance(value, dict):
            _put_back(state[name], value)
        else:
            state[name].copy_(value)


__all__ = ["Revisable"]
