"""A small model and a small tokenizer to write with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from partwise.data import Batch
from partwise.modules import Decoding

V, END = 7, 0


class Summing(nn.Module):
    """A cached model: logits from the last token, and from all real tokens (of the source, too) weighted by place.

    `forgets` makes it start from nothing at `begin`, as real models do, so that a window shows.
    """

    context = 6
    vocabulary = V

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.table = nn.Parameter(torch.randn(V, V, generator=generator, dtype=torch.float64))
        self.begun: list[Batch] = []
        self.dropout = nn.Dropout(0.5)

    def full(self, tokens: list[int], source: list[int] | None = None) -> Tensor:
        """Logits [V] after `tokens`, written out."""
        logits = self.table[tokens[-1]].clone()
        for place, token in enumerate(tokens):
            logits += self.table[token].roll(1) * (place + 1) / 10
        for token in source or []:
            logits += self.table[token].roll(2)
        return logits.detach()

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        self.begun.append(prompt)
        B, T = prompt.tokens.shape
        real = torch.ones(B, T, dtype=torch.bool) if prompt.padding is None else prompt.padding
        positions = real.long().cumsum(1)
        past = (self.table.roll(1, 1)[prompt.tokens] * (positions * real)[:, :, None] / 10).sum(1)
        if prompt.source is not None:
            kept = torch.ones_like(prompt.source) if prompt.source_padding is None else prompt.source_padding
            past = past + (self.table.roll(2, 1)[prompt.source] * kept[:, :, None]).sum(1)
        decoding = Decoding([{"past": past.clone()}], T, room, positions=positions[:, -1].clone())
        return self.dropout(self.table[prompt.tokens[:, -1]] + past), decoding

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        assert decoding.length < decoding.room
        decoding.length += 1
        decoding.positions += 1
        past = decoding.states[0]["past"]
        past += self.table.roll(1, 1)[tokens] * decoding.positions[:, None] / 10
        return self.dropout(self.table[tokens] + past)


class ByteTokenizer:
    """Token n stands for the n-th of a list of byte strings; 0 is the end."""

    vocab_size, end, unknown, unknown_bits, lossless = V, END, None, None, True
    bytes_of = (b"", b"a", b"b", b"\xe2\x82", b"\xac", b"\xff", b" c")

    def encode(self, text: str) -> list[int]:
        return [{"a": 1, "b": 2}[char] for char in text]

    def token_bytes(self, token: int) -> bytes:
        return self.bytes_of[token]
