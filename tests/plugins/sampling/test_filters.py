"""Filters against their definitions, token by token."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from partwise_sampling import filters

# Few different values, so that ties are common; all exact in float32.
ROWS = st.lists(st.integers(-12, 12).map(lambda n: n / 4), min_size=1, max_size=12)


def kept(logits: torch.Tensor, filtered: torch.Tensor) -> set[int]:
    """Tokens left by a filter, all of which must have kept their logits."""
    left = filtered > -torch.inf
    assert torch.equal(filtered[left], logits[left])
    return set(left[0].nonzero().flatten().tolist())


def probabilities(row: list[float]) -> list[float]:
    total = math.fsum(math.exp(logit) for logit in row)
    return [math.exp(logit) / total for logit in row]


@given(ROWS, st.integers(1, 14))
def test_top_k_keeps_those_with_fewer_than_k_likelier_ones(row: list[float], k: int) -> None:
    logits = torch.tensor([row])
    expected = {i for i, a in enumerate(row) if sum(b > a for b in row) < k}
    assert kept(logits, filters.top_k(logits, k)) == expected


@given(ROWS, st.floats(0.01, 1.0))
def test_top_p_keeps_those_whose_likelier_ones_do_not_reach_p(row: list[float], p: float) -> None:
    logits, chances = torch.tensor([row]), probabilities(row)
    sums = [math.fsum(b for b in chances if b > a) for a in chances]
    if any(abs(total - p) < 1e-5 for total in sums):
        return  # within rounding of the edge either answer is right
    expected = {i for i, total in enumerate(sums) if total < p}
    found = kept(logits, filters.top_p(logits, p))
    # Of equally likely tokens fewer may reach p, but all of them are kept: none is worse than another.
    assert found == expected
    assert math.fsum(chances[i] for i in found) >= p - 1e-5


@given(ROWS, st.floats(0.01, 1.0))
def test_min_p_keeps_those_at_least_p_times_as_likely_as_the_likeliest(row: list[float], p: float) -> None:
    logits, chances = torch.tensor([row]), probabilities(row)
    ratios = [chance / max(chances) for chance in chances]
    if any(abs(ratio - p) < 1e-5 for ratio in ratios):
        return
    assert kept(logits, filters.min_p(logits, p)) == {i for i, ratio in enumerate(ratios) if ratio >= p}


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("spread", [0.0, 0.1, 4.0])
def test_top_p_of_a_large_vocabulary_equals_sorting_all_of_it(p: float, spread: float) -> None:
    """Token for token by the probabilities in float32 that it draws by; how exact those are depends on the CPU."""
    logits = spread * torch.randn(3, 3000, generator=torch.Generator().manual_seed(1))
    filtered, probabilities = filters.top_p(logits, p), logits.softmax(-1)
    for row in range(3):
        chances = probabilities[row].double()
        ordered = chances.sort(descending=True).values
        reached = (ordered.cumsum(0) >= p).nonzero()
        least = ordered[reached[0]] if p < 1 and len(reached) else ordered[-1]
        found = filtered[row] > -torch.inf
        assert torch.equal(found, chances >= least)
        # A sum of n terms, in whatever order, is off by at most (n - 1) units of rounding for each that it adds up to.
        assert logits[row].double().softmax(0)[found].sum() >= p - logits.shape[-1] * 2**-24


def test_top_p_may_look_at_all_tokens_for_one_row_and_few_for_another() -> None:
    sharp, flat = torch.zeros(2000), torch.zeros(2000)
    sharp[7] = 50.0
    flat[:1000] += 1.0
    filtered = filters.top_p(torch.stack([sharp, flat]), 0.6)
    assert (filtered > -torch.inf).sum(1).tolist() == [1, 1000]


def test_temperature_divides_logits() -> None:
    logits = torch.tensor([[1.0, -2.0, 0.5]])
    expected = torch.tensor([probabilities([2.0, -4.0, 1.0])])
    assert torch.allclose(filters.temperature(logits, 0.5).softmax(-1), expected)


def test_filters_leave_their_input_as_it_was() -> None:
    logits = torch.randn(2, 9)
    before = logits.clone()
    filters.temperature(logits, 0.5), filters.top_k(logits, 2), filters.top_p(logits, 0.3), filters.min_p(logits, 0.5)
    filters.typical(logits, 0.5), filters.repetition_penalty(logits, torch.tensor([[1], [2]]), 1.3)
    assert torch.equal(logits, before)


def test_rows_are_filtered_on_their_own() -> None:
    logits = torch.randn(4, 9)
    for apply in (
        lambda x: filters.top_k(x, 3),
        lambda x: filters.top_p(x, 0.5),
        lambda x: filters.min_p(x, 0.3),
        lambda x: filters.typical(x, 0.4),
    ):
        assert torch.equal(apply(logits), torch.cat([apply(row[None]) for row in logits]))


def test_what_was_filtered_out_before_stays_out() -> None:
    logits = torch.tensor([[3.0, 2.0, -torch.inf, 0.0]])
    for filtered in (
        filters.top_k(logits, 4),
        filters.top_p(logits, 1.0),
        filters.min_p(logits, 1e-9),
        filters.typical(logits, 0.999999),
    ):
        assert kept(logits, filtered) == {0, 1, 3}


@pytest.mark.parametrize("cold", [1e-7, 1e-30, 1e-45, 5e-324])
def test_however_cold_the_likeliest_is_left_and_no_number_overflows(cold: float) -> None:
    logits = torch.tensor([[3.0, -torch.inf, 5.0, -60.0], [-1.0, -1.0, -9.0, -2.0]])
    assert torch.equal(
        filters.temperature(logits, cold).softmax(-1), torch.tensor([[0.0, 0.0, 1.0, 0.0], [0.5, 0.5, 0.0, 0.0]])
    )


# --- against transformers


def random_logits(rows: int = 12, vocabulary: int = 40, spread: float = 3.0) -> torch.Tensor:
    logits = spread * torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(7))
    logits[:, 5] = -torch.inf
    return logits


@pytest.mark.parametrize("p", [0.05, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_typical_keeps_what_transformers_keeps(p: float, spread: float) -> None:
    from transformers import TypicalLogitsWarper

    logits = random_logits(spread=spread)
    theirs = TypicalLogitsWarper(mass=p)(torch.zeros(12, 1, dtype=torch.int64), logits.clone())
    assert torch.equal(filters.typical(logits, p), theirs)


@given(ROWS, st.floats(0.01, 0.99))
def test_typical_keeps_those_whose_more_typical_ones_do_not_reach_p(row: list[float], p: float) -> None:
    logits, chances = torch.tensor([row]), probabilities(row)
    expected_surprise = -math.fsum(chance * math.log(chance) for chance in chances)
    apart = [abs(-math.log(chance) - expected_surprise) for chance in chances]
    sums = [math.fsum(b for b, near in zip(chances, apart, strict=True) if near < at - 1e-6) for at in apart]
    gaps = [abs(a - b) for a in apart for b in apart if a != b]
    if any(abs(total - p) < 1e-5 for total in sums) or any(gap < 1e-5 for gap in gaps):
        return  # within rounding of the edge either answer is right
    assert kept(logits, filters.typical(logits, p)) == {i for i, total in enumerate(sums) if total < p}


def test_typical_may_drop_the_likeliest_token_and_of_1_keeps_all() -> None:
    logits = torch.tensor([[0.3, *[0.7 / 60] * 60]]).log()
    assert 0 not in kept(logits, filters.typical(logits, 0.2))
    assert len(kept(logits, filters.typical(logits, 1.0))) == 61


@pytest.mark.parametrize("penalty", [0.8, 1.0, 1.2, 5.0])
def test_a_repetition_penalty_is_that_of_transformers(penalty: float) -> None:
    from transformers import RepetitionPenaltyLogitsProcessor

    logits, text = random_logits(), torch.randint(40, (12, 9), generator=torch.Generator().manual_seed(2))
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(text, logits.clone())
    assert torch.equal(filters.repetition_penalty(logits, text, penalty), theirs)


def test_padding_is_not_penalised() -> None:
    logits = random_logits(2, 6)
    text = torch.tensor([[-100, -100, 3], [1, 2, 2]])
    penalised = filters.repetition_penalty(logits, text, 1.5)
    assert (penalised != logits).nonzero().tolist() == [[0, 3], [1, 1], [1, 2]]
