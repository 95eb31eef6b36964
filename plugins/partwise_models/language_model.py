"""A language model: one stack, in which each position predicts the next token."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from partwise.data import Batch
from partwise.modules import Decoding, Initializer, State, batch_flow, decode_step_flow, start_decoding

from .stack import Head, Input, Stack


class LanguageModel(nn.Module):
    """Tokens [B, T] to logits [B, T, V]."""

    def __init__(
        self, input: Input, stack: Stack, head: Head, context: int, vocabulary: int, initializer: Initializer
    ) -> None:
        super().__init__()
        self.input = input
        self.stack = stack
        self.head = head
        self.context = context
        self.vocabulary = vocabulary
        self.initializer = initializer

    def forward(self, batch: Batch) -> Tensor:
        return self._logits(self._read(batch))

    def loss(self, batch: Batch) -> Tensor:
        # Training rows are padded on the right, where a causal model never looks: the fast path stays open.
        x = self._read(replace(batch, padding=None))
        return self.head.loss(x, self.input.embedding.weight_for_head(), batch.targets)

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        states = self.empty_states(len(prompt.tokens), room)
        x = self.stack(self.input(prompt.tokens), batch_flow(prompt), states)
        return self._logits(x[:, -1]), start_decoding(prompt, states, room)

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        x = self.stack(self.input(tokens[:, None]), decode_step_flow(decoding, tokens), decoding.states)
        decoding.advance()
        return self._logits(x[:, -1])

    def empty_states(self, batch: int, length: int, memory_length: int = 0) -> list[State]:
        return self.stack.empty_states(batch, length, memory_length, like=next(self.parameters()))

    def _read(self, batch: Batch) -> Tensor:
        x: Tensor = self.stack(self.input(batch.tokens), batch_flow(batch))
        return x

    def _logits(self, x: Tensor) -> Tensor:
        return self.head(x, self.input.embedding.weight_for_head())
