"""A language model: one stack of layers."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from partwise.data import Batch
from partwise.modules import (
    Decoding,
    Flow,
    Hidden,
    Initializer,
    Parametrisation,
    State,
    batch_flow,
    decode_step_flow,
    extend_flow,
    start_decoding,
)

from .stack import Head, Input, Stack


class LanguageModel(nn.Module):
    """Tokens [B, T] to logits [B, T, V]. `causal` says whether a position sees itself and earlier ones only."""

    def __init__(
        self,
        input: Input,
        stack: Stack,
        head: Head,
        width: int,
        context: int,
        vocabulary: int,
        initializer: Initializer | None,
        parametrisation: Parametrisation | None = None,
        causal: bool = True,
    ) -> None:
        super().__init__()
        self.input = input
        self.stack = stack
        self.head = head
        self.width = width
        self.context = context
        self.vocabulary = vocabulary
        self.initializer = initializer
        self.parametrisation = parametrisation
        self.causal = causal

    def forward(self, batch: Batch) -> Tensor:
        return self._logits(self._read(batch)[0])

    def hidden(self, batch: Batch) -> Hidden:
        # Training rows are padded on the right, where a causal model never looks: the fast path stays open.
        x, flow = self._read(batch, masked=not self.causal)
        return Hidden(x, flow, self.head.over(self.input.embedding.weight_for_head()), self.input)

    def read_out(self, stream: Tensor) -> Tensor:
        return self.stack.read_out(stream)

    def loss(self, batch: Batch) -> Tensor:
        hidden = self.hidden(batch)
        return hidden.head.cross_entropy(hidden.states, batch.targets)

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        states = self.empty_states(len(prompt.tokens), room)
        x = self.stack(self.input(prompt.tokens), batch_flow(prompt), states)
        return self._logits(x[:, -1]), start_decoding(prompt, states, room)

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        x = self.stack(self.input(tokens[:, None]), decode_step_flow(decoding, tokens), decoding.states)
        decoding.advance()
        return self._logits(x[:, -1])

    def extend(self, tokens: Tensor, decoding: Decoding, scored: int = 1) -> Tensor:
        x = self.stack(self.input(tokens), extend_flow(decoding, tokens), decoding.states)
        decoding.advance(tokens.shape[1])
        return self._logits(x[:, -scored:])

    def empty_states(self, batch: int, length: int, memory_length: int = 0) -> list[State]:
        return self.stack.empty_states(batch, length, memory_length, like=next(self.parameters()))

    def _read(self, batch: Batch, masked: bool = True) -> tuple[Tensor, Flow]:
        flow = batch_flow(batch if masked else replace(batch, padding=None))
        if not masked and batch.padding is not None:
            flow = replace(flow, unmasked_padding=batch.padding)
        return self.stack(self.input(batch.tokens), flow), flow

    def _logits(self, x: Tensor) -> Tensor:
        return self.head(x, self.input.embedding.weight_for_head())
