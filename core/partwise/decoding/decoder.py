"""`Decoder`: a model that decodes, as samplers see it.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from partwise.data.batch import IGNORED, Batch
from partwise.errors import InputError
from partwise.modules.protocols import Model

from .prefill import CHUNK, read_prompt


class Decoder:
    """A model and the text it has written so far: offers the logits of the next token, and is given the chosen one.

    The model's states hold `room` tokens. When they are full, a model without a source starts again from the last
    half of them, so that a text may be of any length: a sliding window, beyond which the model forgets. A model with
    a source would forget how much of it is written, so it must end: from then on the end token is certain.
    """

    def __init__(
        self,
        model: Model,
        prompt: Batch,
        end: int,
        room: int,
        ends: Sequence[int] = (),
        stops: Callable[[Sequence[int]], bool] | None = None,
        chunk: int = CHUNK,
    ) -> None:
        """
        Args:
            model: in evaluation mode.
            prompt: what the model reads first, padded on the left; only the last `room` tokens are read.
            end: id of the token that ends a text.
            room: number of tokens that the states can hold; usually `model.context`, beyond which no model is trained.
            ends: all ids that end a text; `end` alone unless given.
            stops: whether a text ends with the last of the ids written, for another reason than an end token.
            chunk: tokens of a prompt that are read at once.

        Raises:
            InputError: there is no room, no token to begin with, or no chunk to read.
        """
        if chunk < 1:
            raise InputError(f"a prompt is read in chunks of one token or more, not {chunk}")
        if room < 1 or prompt.tokens.shape[1] < 1:
            raise InputError(f"a decoder needs room for a token and a token to begin with; room is {room}")
        self.end = end
        """Id of the token that stands after a text that has ended."""
        self.ends = tuple(ends) or (end,)
        """Ids of all tokens that end a text; a family may have several."""
        self._stops = stops
        self._model = model
        self._room = room
        self._chunk = chunk
        self._has_source = prompt.source is not None
        if prompt.tokens.shape[1] > room:
            prompt = replace(
                prompt,
                tokens=prompt.tokens[:, -room:],
                targets=prompt.targets[:, -room:],
                padding=None if prompt.padding is None else prompt.padding[:, -room:],
                documents=None,
            )
        self.logits: Tensor
        """[B, V], of the next token in each row."""
        self._begin(prompt)

    @torch.inference_mode()
    def _begin(self, prompt: Batch) -> None:
        self.logits, self._decoding = read_prompt(self._model, prompt, self._room, self._chunk)
        B, self._length = prompt.tokens.shape
        self._window = prompt.tokens.new_empty(B, self._room)
        self._window[:, : self._length] = prompt.tokens
        self._padding = prompt.padding

    @torch.inference_mode()
    def advance(self, tokens: Tensor) -> None:
        """Appends tokens [B], one per row; `logits` are then those of the next."""
        if self._length < self._room:
            self._window[:, self._length] = tokens
            self._length += 1
            self.logits = self._model.step(tokens, self._decoding)
        elif self._has_source:
            self.logits = torch.full_like(self.logits, -torch.inf)
            self.logits[:, self.ends[0]] = 0.0
        else:
            self._begin(self._last_half(tokens))

    def ended(self, tokens: Tensor) -> Tensor:
        """Which of these tokens end a text."""
        return torch.isin(tokens, self._every_end)

    @cached_property
    def _every_end(self) -> Tensor:
        return torch.tensor(self.ends, device=self.logits.device)

    def stopped(self, texts: Tensor) -> Tensor:
        """Which of these texts stop with their last token, as a stop string is complete: written tokens [..., n] to
        [...]. Only a search needs to ask, as what has stopped must not go on in place of what has not."""
        stops = self._stops
        if stops is None:
            return torch.zeros(texts.shape[:-1], dtype=torch.bool, device=texts.device)
        found = [stops(text) for text in texts.flatten(0, -2).tolist()]
        return torch.tensor(found, device=texts.device).view(texts.shape[:-1])

    @property
    def text(self) -> Tensor:
        """[B, n]: what the model has read and not forgotten, prompt and all; IGNORED where it is padding."""
        text = self._window[:, : self._length]
        if self._padding is None:
            return text
        text = text.clone()
        text[:, : self._padding.shape[1]].masked_fill_(~self._padding, IGNORED)
        return text

    def _last_half(self, tokens: Tensor) -> Batch:
        """The newest `room // 2` tokens (at least one), of which `tokens` are the last, as a prompt."""
        start = self._room + 1 - max(1, self._room // 2)
        kept = torch.cat((self._window[:, start:], tokens[:, None]), 1)
        padding = None
        if self._padding is not None and start < self._padding.shape[1]:
            padding = torch.ones_like(kept, dtype=torch.bool)
            padding[:, : self._padding.shape[1] - start] = self._padding[:, start:]
        return Batch(kept, torch.full_like(kept, IGNORED), padding)

    @torch.inference_mode()
    def reorder(self, rows: Tensor) -> None:
        """Makes row i continue the text of row `rows[i]`; `rows` may be longer or shorter than B."""
        self._decoding.reorder(rows)
        self.logits = self.logits.index_select(0, rows)
        self._window = self._window.index_select(0, rows)
        if self._padding is not None:
            self._padding = self._padding.index_select(0, rows)
