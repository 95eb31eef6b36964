"""What every sampler must do."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from partwise.data.batch import IGNORED, Batch
from partwise.decoding.decoder import Decoder
from partwise.modules.states import Decoding
from partwise.parts.part import Part
from partwise.testing.probes import drawn
from partwise.testing.registering import check
from partwise.testing.violation import require, skip

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
    result = 2 * torch.randn(V, V, generator=torch.Generator().manual_seed(drawn(seed)))
    result[:, END] = end
    return result


def written(part: Part, logits: Tensor, prompts: list[int], limit: int, seed: int = 0) -> Tensor:
    """What the sampler writes after prompts of one token each, [B, n]."""
    ids = torch.tensor(prompts)[:, None]
    chain: Any = Chain(logits)
    decoder = Decoder(chain, Batch(ids, torch.full_like(ids, IGNORED)), END, 64)
    sampler: Any = part.assemble(None)
    steps = list(sampler.generate(decoder, limit, torch.Generator().manual_seed(drawn(seed))))
    for tokens in steps:
        require(tokens.shape == (len(prompts),), f"a step has shape {tuple(tokens.shape)} for {len(prompts)} rows")
        require(tokens.dtype == torch.int64, f"tokens are of {tokens.dtype}")
    return torch.stack(steps, 1)


@check("sampler", per="example")
def it_keeps_to_the_limit_and_the_vocabulary(part: Part) -> None:
    """It writes tokens of the vocabulary, no more than the limit, and as many as the limit where no text can end."""
    for limit in (1, 5):
        tokens = written(part, table(end=-torch.inf), [1, 2, 3], limit)
        require(tokens.shape[1] == limit, f"asked for {limit} tokens it writes {tokens.shape[1]}")
        require(((tokens >= 0) & (tokens < V)).all(), f"it writes ids that do not exist: {tokens.tolist()}")


@check("sampler", per="example")
def it_is_a_function_of_its_generator(part: Part) -> None:
    """What it writes is a function of the generator; it leaves the global random state alone."""
    first = written(part, table(), [1, 2, 3, 4], 12, seed=5)
    before = torch.get_rng_state()
    torch.rand(2)
    second = written(part, table(), [1, 2, 3, 4], 12, seed=5)
    require(first.equal(second), "the same seed writes something else")
    torch.set_rng_state(before)
    written(part, table(), [1, 2, 3, 4], 12, seed=6)
    require(torch.get_rng_state().equal(before), "it draws from the global random state")


@check("sampler", per="example")
def a_row_that_ended_stays_ended(part: Part) -> None:
    """After its end token a row yields nothing but end tokens; when all have ended, the text is over."""
    logits = torch.full((V, V), -torch.inf)
    for token in range(1, V):
        logits[token, token - 1] = 0.0  # counts down to the end token
    logits[END, V - 1] = 0.0
    tokens = written(part, logits, [1, 3, 5], 20)
    expected = [[0, 0, 0, 0, 0], [2, 1, 0, 0, 0], [4, 3, 2, 1, 0]]
    require(tokens.tolist() == expected, f"counting down from 1, 3 and 5 it writes {tokens.tolist()}")


@check("sampler", per="example")
def what_is_impossible_is_never_written(part: Part) -> None:
    """A token of probability zero is never written, however often it draws."""
    logits = table(end=-torch.inf)
    logits[:, [2, 5]] = -torch.inf
    for seed in range(20):
        tokens = written(part, logits, [1, 3, 4, 6] * 4, 8, seed)
        require(not ((tokens == 2) | (tokens == 5) | (tokens == END)).any(), "it writes a token of probability zero")


@check("sampler", per="example")
def what_is_certain_is_written(part: Part) -> None:
    """Where one token has nearly all the probability, it is written."""
    logits = torch.zeros(V, V)
    following = [3, 4, 5, 6, 1, 2, 3]
    logits[range(V), following] = 60.0
    tokens = written(part, logits, [1, 2], 6)
    for row, token in enumerate((1, 2)):
        for written_token in tokens[row].tolist():
            token = following[token]
            require(written_token == token, f"{token} was certain, and it writes {written_token}")


@check("sampler", per="example")
def rows_are_written_as_if_alone(part: Part) -> None:
    """Rows do not affect each other: where chance is all but ruled out, each writes what it writes alone."""
    logits = 100.0 * table(end=0.0).argsort(-1).argsort(-1)  # ranks, so that the likeliest is so by far
    whole = written(part, logits, [1, 4, 6], 10)
    for row, prompt in enumerate((1, 4, 6)):
        alone = written(part, logits, [prompt], 10)[0]
        padded = torch.cat((alone, torch.full((whole.shape[1] - len(alone),), END)))
        require(padded.equal(whole[row]), "in a batch it writes something else than alone")


@check("sampler", per="example")
def writing_remembers_nothing(part: Part) -> None:
    """What a sampler writes does not depend on what it wrote before."""
    sampler: Any = part.assemble(None)

    def write(prompts: list[int], seed: int) -> list[list[int]]:
        ids = torch.tensor(prompts)[:, None]
        chain: Any = Chain(table(seed=4))
        decoder = Decoder(chain, Batch(ids, torch.full_like(ids, IGNORED)), END, 64)
        steps = sampler.generate(decoder, 8, torch.Generator().manual_seed(drawn(seed)))
        return [tokens.tolist() for tokens in steps]

    first = write([1, 2, 3], 1)
    write([4, 5], 2)
    require(write([1, 2, 3], 1) == first, "after other texts it writes something else under the same seed")


@check("sampler", per="example")
def rows_draw_alike_and_apart(part: Part) -> None:
    """Which row of a batch a text is in changes no probability, and rows draw independently of each other."""
    rows, count = 4, 600
    logits = table(seed=3, end=-torch.inf)

    def draws(count: int) -> Tensor:
        return torch.stack([written(part, logits, [3] * rows, 1, seed=seed)[:, 0] for seed in range(count)])

    few = draws(20)
    if few.eq(few[0, 0]).all():
        return  # there is no chance in it
    drawn_tokens = draws(count)
    shares = torch.stack([torch.bincount(row, minlength=V) / count for row in drawn_tokens.T])
    overall = shares.mean(0)
    # Five standard deviations of the difference: no seed gets there by chance.
    allowed = 5 * (overall * (1 - overall) / count).sqrt() + 1e-4
    for row in range(rows):
        off = (shares[row] - overall).abs()
        token = int((off - allowed).argmax())
        require(
            off[token] <= allowed[token],
            f"{shares[row, token]:.3f} of the draws of row {row} are token {token}, and {overall[token]:.3f} of all",
        )
    chance = float(overall.square().sum())
    for row in range(1, rows):
        alike = float((drawn_tokens[:, 0] == drawn_tokens[:, row]).float().mean())
        apart = abs(alike - chance) <= 5 * (chance * (1 - chance) / count) ** 0.5 + 1e-3
        require(apart, f"rows 0 and {row} draw the same in {alike:.0%} of {count} draws; by chance it is {chance:.0%}")


def _filtering(part: Part, otherwise: str) -> Any:
    """The sampler, if it has a filter; the check is skipped `otherwise`."""
    sampler: Any = part.assemble(None)
    if not hasattr(sampler, "filter"):
        skip(otherwise)
    return sampler


@check("sampler", per="example")
def what_its_filter_keeps_keeps_its_proportions(part: Part) -> None:
    """`filter` sets some logits to -inf, and changes the log odds of the others by one common factor, if at all."""
    sampler = _filtering(part, "it has no filter of logits alone")
    logits = table(end=-1.0)
    before = logits.clone()
    filtered = sampler.filter(logits)
    require(logits.equal(before), "its filter changes the logits it is given in place")
    require(filtered.shape == logits.shape, f"logits {tuple(logits.shape)} are filtered to {tuple(filtered.shape)}")
    for row in range(V):
        kept = filtered[row].isfinite()
        require(kept.any(), f"its filter leaves none of {V} tokens")
        order = logits[row][kept].argsort()
        rising = filtered[row][kept][order]
        require((rising.diff() >= 0).all(), "after its filter an unlikelier token is the likelier one")
        apart = logits[row][kept][order].diff()
        if len(apart) > 1:
            ratios = rising.diff() / apart
            same = torch.allclose(ratios, ratios[0].expand_as(ratios), 1e-3)
            require(same, f"its filter changes odds unevenly: log odds are multiplied by {ratios.tolist()}")


@check("sampler", per="example")
def its_filter_keeps_the_likeliest(part: Part) -> None:
    """`filter` keeps the likeliest token; a part whose method removes it declares that."""
    sampler = _filtering(part, "it has no filter of logits alone")
    logits = table(end=-1.0)
    kept = sampler.filter(logits).isfinite()
    for row in range(V):
        require(kept[row, logits[row].argmax()], f"its filter removes the likeliest of {V} tokens")


@check("sampler", per="example")
def it_draws_as_often_as_its_filter_says(part: Part) -> None:
    """Over many draws each token comes up as often as the softmax of the filtered logits has it."""
    sampler: Any = part.assemble(None)
    logits, count = table(end=-torch.inf), 4000
    if hasattr(sampler, "filter_after"):
        expected = sampler.filter_after(logits[[3]], torch.tensor([[3]])).softmax(-1)[0]
    else:
        expected = _filtering(part, "it has no filter to compare with").filter(logits[[3]]).softmax(-1)[0]
    drawn_tokens = written(part, logits, [3] * count, 1)[:, 0]
    shares = torch.bincount(drawn_tokens, minlength=V) / count
    token = int((shares - expected).abs().argmax())
    # Five standard deviations: no seed gets there by chance.
    allowed = 5 * (expected * (1 - expected) / count).sqrt() + 1e-4
    off = (shares - expected).abs() > allowed
    require(
        not off.any(),
        f"of {count} draws {shares[token]:.3f} are token {token}, whose probability is {expected[token]:.3f}",
    )
