"""Two tables of word vectors: one for what is read, one for what is predicted.

Shapes: B batch, T positions, N words around a position, C width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from partwise.data import IGNORED, Batch
from partwise.modules import (
    Decoding,
    Hidden,
    LinearHead,
    State,
    batch_flow,
    decode_step_flow,
    start_decoding,
)

from .embeddings import DenseEmbedding


class WordVectors(nn.Module):
    """Predicts a word from the mean of the vectors around it or, without those, from the word before it.

    The logits are the products with the vectors of the other table, plus `bias`: the log of each word's share of the
    text, to the `power` and brought to a sum of 1.
    """

    reads_around = True
    parameter_roles: ClassVar[Mapping[str, str]] = {"output.weight": "head"}
    bias: Tensor

    def __init__(
        self, vocabulary: int, width: int, context: int, power: float, counts: Callable[[], Tensor] | None
    ) -> None:
        super().__init__()
        self.vocabulary, self.width, self.context, self.power = vocabulary, width, context, power
        self.initializer = FirstVectors()
        self.input = DenseEmbedding(vocabulary, width)
        self.output = nn.Linear(width, vocabulary, bias=False)
        self._counts = counts
        self.register_buffer("bias", torch.empty(vocabulary))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The bias from how often each word stands in the text, once at least; alike, where that is not known."""
        nn.init.zeros_(self.bias)
        if not self.bias.is_meta:
            if self._counts is not None:
                self.bias.copy_(self.power * self._counts().clamp_min(1).double().log())
            self.bias.copy_(self.bias.double().log_softmax(0))

    def forward(self, batch: Batch) -> Tensor:
        return self._head().logits(self._vectors(batch))

    def hidden(self, batch: Batch) -> Hidden:
        return Hidden(self._vectors(batch), batch_flow(batch), self._head(), self.input)

    def loss(self, batch: Batch) -> Tensor:
        return self._head().cross_entropy(self._vectors(batch), batch.targets)

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        logits = self._head().logits(self.input(prompt.tokens[:, -1]))
        return logits, start_decoding(prompt, [], room)

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        decode_step_flow(decoding, tokens)
        decoding.advance()
        return self._head().logits(self.input(tokens))

    def empty_states(self, batch: int, length: int, memory_length: int = 0) -> list[State]:
        """None: it remembers nothing."""
        return []

    def _vectors(self, batch: Batch) -> Tensor:
        if batch.around is None:
            return self.input(batch.tokens)
        if batch.around.shape[-1] == 1:
            return self.input(batch.around[..., 0].clamp_min(0))  # where nothing is near, nothing is scored
        there = (batch.around != IGNORED)[..., None]
        vectors = self.input(batch.around.clamp_min(0)) * there
        return vectors.sum(2) / there.sum(2).clamp_min(1)

    def _head(self) -> LinearHead:
        return LinearHead(self.output.weight, self.bias)


class FirstVectors:
    """First weights as in word2vec: small vectors to read, and zeros to predict with."""

    def __call__(self, module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            nn.init.uniform_(module.weight, -0.5 / module.embedding_dim, 0.5 / module.embedding_dim)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.weight)
