"""What is drawn: how often each token, and when writing stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from scipy.stats import chisquare

from partwise import PartError
from partwise.decoding import Decoder, left_padded
from partwise.parts import SamplerPart
from partwise_sampling import parts
from partwise_sampling.stepwise import Drawing, Greedy, draw

END = 0
DRAWS = 20_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def counts(logits: torch.Tensor) -> torch.Tensor:
    tokens = draw(logits.expand(DRAWS, -1), seeded())
    return torch.bincount(tokens, minlength=logits.shape[-1]).double()


def fits(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """By a chi-square test that a right sampler fails for one seed in a thousand (and this one's is fixed)."""
    possible = expected > 0
    if bool(found[~possible].any()):
        return False
    return bool(chisquare(found[possible], DRAWS * expected[possible] / expected.sum()).pvalue > 1e-3)


def test_draws_are_distributed_as_softmax_has_it() -> None:
    logits = torch.randn(40, dtype=torch.float64)
    assert fits(counts(logits), logits.softmax(0))
    assert not fits(counts(logits), (logits * 1.1).softmax(0)), "the test can tell a distribution that is off"


def test_what_is_filtered_out_is_never_drawn() -> None:
    logits = torch.tensor([-torch.inf, 0.0, -torch.inf, 1.0, 2.0, -torch.inf])
    assert fits(counts(logits), logits.softmax(0))


@pytest.mark.parametrize(
    "part",
    [*parts.TopK.examples(), *parts.MinP.examples(), *parts.Typical.examples(), next(iter(parts.Chain.examples()))],
)
def test_samplers_draw_from_what_their_filter_leaves(part: SamplerPart) -> None:
    logits = torch.randn(1, 12)
    sampler: Any = part.build(None)
    assert fits(counts(sampler.filter(logits)[0]), sampler.filter(logits).double().softmax(-1)[0])


def test_each_row_is_drawn_from_its_own_logits() -> None:
    logits = torch.full((3, 5), -torch.inf)
    logits[torch.arange(3), torch.tensor([4, 0, 2])] = 0.0
    assert draw(logits, seeded()).tolist() == [4, 0, 2]


def test_a_chain_applies_filters_in_order() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0]])
    sharp_first = parts.Chain(samplers=(parts.Temperature(temperature=0.1), parts.TopP(p=0.7))).build(None)
    sharp_last = parts.Chain(samplers=(parts.TopP(p=0.7), parts.Temperature(temperature=0.1))).build(None)
    assert (sharp_first.filter(logits) > -torch.inf).sum() == 1
    assert (sharp_last.filter(logits) > -torch.inf).sum() == 2


def test_a_chain_refuses_what_does_not_filter_and_says_where_it_stands() -> None:
    chain = parts.Chain(samplers=(parts.TopK(), parts.Beam()))
    with pytest.raises(PartError, match="sampler 'beam' does not filter"):
        chain.assemble(None)


def test_a_chain_may_penalise_repetitions_between_other_filters() -> None:
    chain: Any = parts.Chain(
        samplers=(
            parts.Temperature(temperature=0.5),
            parts.Chain(samplers=(parts.RepetitionPenalty(penalty=4.0),)),
            parts.TopK(k=2),
        )
    ).build(None)
    logits, text = torch.tensor([[3.0, 2.0, 1.0, -1.0]]), torch.tensor([[0, 3]])
    assert chain.filter_after(logits, text).tolist() == [[-torch.inf, 4.0, 2.0, -torch.inf]]


def test_penalised_repetitions_are_written_as_transformers_would(bigram: Callable[..., Any]) -> None:
    """Greedily, as in the paper; each row with the ids of its own text, prompt included."""
    from transformers import RepetitionPenaltyLogitsProcessor

    model, limit = bigram(9, seed=3), 8
    model.table[..., END] = -30.0
    sampler = parts.Chain(samplers=(parts.RepetitionPenalty(penalty=1.7), parts.TopK(k=1))).build(None)
    decoder = Decoder(model, left_padded([[1, 2, 3], [4]], END), END, 64)
    rows = torch.stack(list(sampler.generate(decoder, limit, seeded())), 1)
    process = RepetitionPenaltyLogitsProcessor(1.7)
    for row, prompt in zip(rows.tolist(), ([1, 2, 3], [4]), strict=True):
        text = list(prompt)
        before = END if len(prompt) == 1 else 1  # what `Bigram` takes for the last but one of a prompt: its first id
        for _ in range(limit):
            logits = process(torch.tensor([text]), model.table[before, text[-1]][None].clone())
            before = text[-1]
            text.append(int(logits.argmax()))
        assert row == text[len(prompt) :]


def test_a_temperature_of_zero_names_greedy() -> None:
    with pytest.raises(ValidationError, match='use "greedy"'):
        parts.Temperature(temperature=0)
    with pytest.raises(ValidationError, match="greater than 0"):
        parts.Temperature(temperature=-1.0)


# --- writing


def test_greedy_takes_the_likeliest_at_every_step(bigram: Callable[..., Any]) -> None:
    model = bigram(6, seed=4)
    tokens = torch.stack(list(Greedy().generate(model.decoder([1, 2]), 8, seeded())))
    for row, start in enumerate([1, 2]):
        before, last = start, start
        for token in tokens[:, row].tolist():
            assert token == (int(model.table[before, last].argmax()) if last != END or before == last else END)
            if token == END:
                break
            before, last = last, token


def test_a_row_that_has_ended_yields_the_end_token_until_all_have(bigram: Callable[..., Any]) -> None:
    model = bigram(3, seed=1)
    model.table[:] = 0.0
    model.table[1, 1, END] = 9.0  # from 1: ends at once
    model.table[2, 2, 1] = 9.0  # from 2: 1, 1, end
    model.table[2, 1, 1] = 9.0
    model.table[1, END, 2] = 9.0  # what a row that went on after its end would write
    tokens = torch.stack(list(Greedy().generate(model.decoder([1, 2]), 9, seeded())), 1)
    assert tokens.tolist() == [[END, END, END], [1, 1, END]]


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_no_more_is_written_than_the_limit(bigram: Callable[..., Any], limit: int) -> None:
    model = bigram(3, seed=1)
    model.table[..., END] = -99.0
    assert len(list(Greedy().generate(model.decoder([1]), limit, seeded()))) == limit


def test_the_same_seed_writes_the_same_and_another_something_else(bigram: Callable[..., Any]) -> None:
    model, sampler = bigram(9, seed=2), Drawing(lambda logits: logits)

    def written(seed: int) -> list[list[int]]:
        return [tokens.tolist() for tokens in sampler.generate(model.decoder([1, 2, 3]), 12, seeded(seed))]

    assert written(5) == written(5)
    assert written(5) != written(6)


def test_texts_are_drawn_as_often_as_they_are_likely(bigram: Callable[..., Any]) -> None:
    model = bigram(3, seed=3, spread=1.0)
    rows = [1] * DRAWS
    tokens = torch.stack(list(Drawing(lambda logits: logits).generate(model.decoder(rows), 3, seeded())), 1)
    expected = {(*text, *[END] * (3 - len(text))): score for text, score in model.texts(1, 3)}
    found = torch.tensor([int((tokens == torch.tensor(text)).all(1).sum()) for text in expected]).double()
    assert found.sum() == DRAWS
    assert fits(found, torch.tensor(list(expected.values()), dtype=torch.float64).exp())
