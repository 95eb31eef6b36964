"""A small model whose every text can be listed: what searching and drawing are checked against."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn

from partwise.data import Batch
from partwise.decoding import Decoder, left_padded
from partwise.modules import Decoding

END = 0


class Bigram(nn.Module):
    """Logits [V] from the last two tokens; its state is the last but one."""

    context = 64

    def __init__(self, vocabulary: int, seed: int, spread: float = 1.5) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        generator = torch.Generator().manual_seed(seed)
        self.table = spread * torch.randn(vocabulary, vocabulary, vocabulary, generator=generator, dtype=torch.float64)

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        last = prompt.tokens[:, -1].clone()
        start = prompt.tokens[:, 0] if prompt.source is None else prompt.source[:, -1]
        return self.table[start, last], Decoding([{"last": last}], prompt.tokens.shape[1], room)

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        decoding.length += 1
        last = decoding.states[0]["last"]
        logits = self.table[last, tokens]
        last.copy_(tokens)
        return logits

    def decoder(
        self, prompts: list[int], room: int = 64, stops: Callable[[Sequence[int]], bool] | None = None
    ) -> Decoder:
        return Decoder(self, left_padded([[prompt] for prompt in prompts], END), END, room, stops=stops)

    def texts(self, prompt: int, limit: int) -> Iterator[tuple[tuple[int, ...], float]]:
        """Every text after a one-token prompt with its log-probability: those that end, and those of full length."""
        log_probabilities = self.table.log_softmax(-1)
        for length in range(1, limit + 1):
            for text in itertools.product(range(self.vocabulary), repeat=length):
                ended = text[-1] == END
                if END not in text[:-1] and (ended or length == limit):
                    path = (prompt, prompt, *text)
                    steps = zip(path, path[1:], path[2:], strict=False)
                    yield text, sum(float(log_probabilities[step]) for step in steps)


@pytest.fixture
def bigram() -> Callable[..., Bigram]:
    return Bigram
