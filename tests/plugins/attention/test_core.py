from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from partwise.modules import Flow
from partwise_attention.core import attend, empty_cache, join_heads, remember, split_heads
from partwise_attention.scores import AdditiveScore, DotScore

from . import loops

B, H, T, S, D = 2, 3, 4, 5, 3


def random_heads() -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(B, H, T, D), torch.randn(B, H, S, D), torch.randn(B, H, S, D)


@pytest.mark.parametrize(("masked", "biased", "cap"), [*product([False, True], [False, True], [None, 0.7])])
def test_attention_is_the_softmax_loop_written_out(masked: bool, biased: bool, cap: float | None) -> None:
    queries, keys, values = random_heads()
    mask = torch.rand(B, 1, T, S) < 0.6
    mask[..., 0] = True
    bias = torch.randn(H, T, S) if biased else None
    result = attend(queries, keys, values, DotScore(0.4), mask if masked else None, bias, cap)
    expected = loops.attention(
        queries, keys, values, loops.dot(0.4), lambda b, t, s: not masked or bool(mask[b, 0, t, s]), bias, cap
    )
    torch.testing.assert_close(result.double(), expected, rtol=1e-5, atol=1e-6)


def test_the_additive_score_is_v_times_tanh_of_the_sum() -> None:
    queries, keys, values = random_heads()
    score = AdditiveScore(H, D)
    by_hand = loops.additive(score.vector.detach())
    scores = score(queries, keys)
    for b, h, t, s in product(range(B), range(H), range(T), range(S)):
        expected = by_hand(h, queries[b, h, t].tolist(), keys[b, h, s].tolist())
        assert scores[b, h, t, s].item() == pytest.approx(expected, abs=1e-5)
    expected = loops.attention(queries, keys, values, by_hand, lambda b, t, s: True)
    torch.testing.assert_close(attend(queries, keys, values, score).double(), expected, rtol=1e-5, atol=1e-6)


def test_the_cap_bounds_scores_before_bias_and_mask() -> None:
    query, keys = torch.full((1, 1, 1, 1), 100.0), torch.tensor([1.0, -1.0]).view(1, 1, 2, 1)
    values = torch.tensor([1.0, 0.0]).view(1, 1, 2, 1)
    bias = torch.tensor([[[0.0, 3.0]]])
    weight = attend(query, keys, values, DotScore(1.0), None, bias, 2.0).item()
    assert weight == pytest.approx(math.exp(2) / (math.exp(2) + math.exp(-2 + 3)), rel=1e-5)


def test_a_query_that_may_see_nothing_gets_zeros_and_a_finite_gradient() -> None:
    queries, keys, values = (heads.requires_grad_() for heads in random_heads())
    mask = torch.ones(T, S, dtype=torch.bool)
    mask[1] = False
    result = attend(queries, keys, values, DotScore(1.0), mask)
    assert result[:, :, 1].abs().max() == 0
    result.sum().backward()
    assert all(heads.grad.isfinite().all() for heads in (queries, keys, values))


def test_dropout_drops_weights_and_scales_the_others() -> None:
    queries, keys = torch.zeros(1, 1, 400, 1), torch.zeros(1, 1, 4, 1)
    values = torch.eye(4).view(1, 1, 4, 4)
    weights = attend(queries, keys, values, DotScore(1.0), dropout=0.5)
    assert set(weights.unique().tolist()) == {0.0, 0.5}
    assert weights.mean().item() == pytest.approx(0.25, abs=0.03)


def test_heads_are_cut_and_joined_in_order() -> None:
    x = torch.arange(24.0).view(1, 2, 12)
    heads = split_heads(x, 4)
    assert heads.shape == (1, 3, 2, 4)
    assert heads[0, 1, 0].tolist() == [4, 5, 6, 7]
    assert join_heads(heads).equal(x)


def test_the_cache_gives_back_all_tokens_so_far() -> None:
    keys, values = torch.randn(B, H, 5, D), torch.randn(B, H, 5, D)
    state = empty_cache(B, H, 8, D, keys)
    first = remember(keys[:, :, :3], values[:, :, :3], Flow(torch.arange(3)), state)
    assert first[0].equal(keys[:, :, :3])
    second = remember(keys[:, :, 3:], values[:, :, 3:], Flow(torch.arange(3, 5), start=3), state)
    assert second[0].equal(keys)
    assert second[1].equal(values)
    assert state["keys"].shape == (B, H, 8, D)
