"""What every sampler must hold."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from partwise import Part
from partwise.decoding import Decoder
from partwise.flow import IGNORED, Batch, Decoding

END, V = 0, 7


class Chain:
    """A model whose next token depends on the last one only: row i of `table` [V, V] holds the logits after token i."""

    context = 64
    vocabulary = V

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        return self.table[prompt.tokens[:, -1]], Decoding([], prompt.tokens.shape[1], room)

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        return self.table[tokens]


def table(seed: int = 0, end: float = -2.0) -> Tensor:
    """Random logits, with those of the end token at `end`."""
    result = 2 * torch.randn(V, V, generator=torch.Generator().manual_seed(seed))
    result[:, END] = end
    return result


def written(part: Part, logits: Tensor, prompts: list[int], limit: int, seed: int = 0) -> Tensor:
    """What the sampler writes after prompts of one token each, [B, n]."""
    ids = torch.tensor(prompts)[:, None]
    decoder = Decoder(Chain(logits), Batch(ids, torch.full_like(ids, IGNORED)), END, 64)
    sampler: Any = part.assemble(None)
    steps = list(sampler.generate(decoder, limit, torch.Generator().manual_seed(seed)))
    for tokens in steps:
        assert tokens.shape == (len(prompts),), f"a step has shape {tuple(tokens.shape)} for {len(prompts)} rows"
        assert tokens.dtype == torch.int64, f"tokens are of {tokens.dtype}"
    return torch.stack(steps, 1)


def check_it_keeps_to_the_limit_and_the_vocabulary(part: Part) -> None:
    """At most so many tokens, each of them one there is; as many as allowed where no text can end."""
    for limit in (1, 5):
        tokens = written(part, table(end=-torch.inf), [1, 2, 3], limit)
        assert tokens.shape[1] == limit, f"asked for {limit} tokens it writes {tokens.shape[1]}"
        assert ((tokens >= 0) & (tokens < V)).all(), f"it writes ids that do not exist: {tokens.tolist()}"


def check_the_same_seed_writes_the_same(part: Part) -> None:
    """What it writes is a function of the generator; it leaves the global random state alone."""
    first = written(part, table(), [1, 2, 3, 4], 12, seed=5)
    before = torch.get_rng_state()
    torch.rand(2)
    second = written(part, table(), [1, 2, 3, 4], 12, seed=5)
    assert first.equal(second), "the same seed writes something else"
    torch.set_rng_state(before)
    written(part, table(), [1, 2, 3, 4], 12, seed=6)
    assert torch.get_rng_state().equal(before), "it draws from the global random state"


def check_a_row_that_ended_stays_ended(part: Part) -> None:
    """After its end token a row yields nothing but end tokens; when all have ended, the text is over."""
    logits = torch.full((V, V), -torch.inf)
    for token in range(1, V):
        logits[token, token - 1] = 0.0  # counts down to the end token
    logits[END, V - 1] = 0.0
    tokens = written(part, logits, [1, 3, 5], 20)
    expected = [[0, 0, 0, 0, 0], [2, 1, 0, 0, 0], [4, 3, 2, 1, 0]]
    assert tokens.tolist() == expected, f"counting down from 1, 3 and 5 it writes {tokens.tolist()}"


def check_what_is_impossible_is_never_written(part: Part) -> None:
    """A token of probability zero does not occur, however often one draws."""
    logits = table(end=-torch.inf)
    logits[:, [2, 5]] = -torch.inf
    for seed in range(20):
        tokens = written(part, logits, [1, 3, 4, 6] * 4, 8, seed)
        assert not ((tokens == 2) | (tokens == 5) | (tokens == END)).any(), "it writes a token of probability zero"


def check_what_is_certain_is_written(part: Part) -> None:
    """Where one token has nearly all the probability, it is written."""
    logits = torch.zeros(V, V)
    following = [3, 4, 5, 6, 1, 2, 3]
    logits[range(V), following] = 60.0
    tokens = written(part, logits, [1, 2], 6)
    for row, token in enumerate((1, 2)):
        for written_token in tokens[row].tolist():
            token = following[token]
            assert written_token == token, f"{token} was certain, and it writes {written_token}"


def check_a_batch_equals_its_rows(part: Part) -> None:
    """Rows know nothing of each other: where chance is as good as ruled out, each writes what it writes alone."""
    logits = 100 * table(end=0.0)
    whole = written(part, logits, [1, 4, 6], 10)
    for row, prompt in enumerate((1, 4, 6)):
        alone = written(part, logits, [prompt], 10)[0]
        padded = torch.cat((alone, torch.full((whole.shape[1] - len(alone),), END)))
        assert padded.equal(whole[row]), "in a batch it writes something else than alone"
