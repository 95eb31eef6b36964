"""An encoder and a decoder (Sutskever et al. 2014): one stack reads the source, another writes the target.

Shapes: B batch, T positions of the target, M positions of the source, C width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from partwise.data import Batch
from partwise.modules import (
    Carried,
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
    token_positions,
)

from .stack import Head, Input, Stack


class Seq2Seq(nn.Module):
    """Source [B, M] and target tokens [B, T] to logits [B, T, V]. Source and target share one vocabulary."""

    def __init__(
        self,
        encoder_input: Input,
        encoder: Stack,
        decoder_input: Input,
        decoder: Stack,
        head: Head,
        width: int,
        context: int,
        vocabulary: int,
        initializer: Initializer | None,
        parametrisation: Parametrisation | None = None,
    ) -> None:
        super().__init__()
        self.encoder_input = encoder_input
        self.encoder = encoder
        self.decoder_input = decoder_input
        self.decoder = decoder
        self.head = head
        self.width = width
        self.context = context
        self.vocabulary = vocabulary
        self.initializer = initializer
        self.parametrisation = parametrisation

    def encode(self, batch: Batch, carried: Carried | None = None) -> Tensor:
        """The encoder's output [B, M, C] for the sources of a batch; terms and reports of its layers go to `carried`.

        Raises:
            ValueError: the batch has none.
        """
        if batch.source is None:
            raise ValueError("a seq2seq model reads a source, and this batch has none")
        padding = batch.source_padding
        positions = token_positions(batch.source, padding)
        flow = Flow(positions, padding=padding, tokens=batch.source)
        if carried is not None:  # what layers share stays within their stack
            flow = replace(flow, carried=carried.of_another_stack())
        return self.encoder(self.encoder_input(batch.source), flow)

    def forward(self, batch: Batch) -> Tensor:
        return self._logits(self._read(batch)[0])

    def hidden(self, batch: Batch) -> Hidden:
        # Targets are padded on the right, where the causal decoder never looks.
        x, flow = self._read(replace(batch, padding=None), unmasked=batch.padding)
        return Hidden(x, flow, self.head.over(self.decoder_input.embedding.weight_for_head()), self.decoder_input)

    def read_out(self, stream: Tensor) -> Tensor:
        return self.decoder.read_out(stream)

    def loss(self, batch: Batch) -> Tensor:
        hidden = self.hidden(batch)
        return hidden.head.cross_entropy(hidden.states, batch.targets)

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        memory = self.encode(prompt)
        states = self.empty_states(len(prompt.tokens), room, memory.shape[1])
        x = self.decoder(self.decoder_input(prompt.tokens), batch_flow(prompt, memory), states)
        return self._logits(x[:, -1]), start_decoding(prompt, states, room, memory)

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        x = self.decoder(self.decoder_input(tokens[:, None]), decode_step_flow(decoding, tokens), decoding.states)
        decoding.advance()
        return self._logits(x[:, -1])

    def extend(self, tokens: Tensor, decoding: Decoding, scored: int = 1) -> Tensor:
        x = self.decoder(self.decoder_input(tokens), extend_flow(decoding, tokens), decoding.states)
        decoding.advance(tokens.shape[1])
        return self._logits(x[:, -scored:])

    def empty_states(self, batch: int, length: int, memory_length: int = 0) -> list[State]:
        return self.decoder.empty_states(batch, length, memory_length, like=next(self.parameters()))

    def _read(self, batch: Batch, unmasked: Tensor | None = None) -> tuple[Tensor, Flow]:
        carried = Carried()
        flow = batch_flow(batch, self.encode(batch, carried), carried)
        if unmasked is not None:
            flow = replace(flow, unmasked_padding=unmasked)
        return self.decoder(self.decoder_input(batch.tokens), flow), flow

    def _logits(self, x: Tensor) -> Tensor:
        return self.head(x, self.decoder_input.embedding.weight_for_head())
