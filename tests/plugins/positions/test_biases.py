"""ALiBi and T5's buckets, which are added to the scores of attention."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import pytest
import torch
from torch import Tensor
from transformers import T5Config
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.t5.modeling_t5 import T5Attention

from partwise import PartError
from partwise.parts import PositionSite
from partwise_positions.parts import Alibi, HardAlibi, Kerple, T5Bias


def site(heads: int = 4, causal: bool = True) -> PositionSite:
    return PositionSite(width=32, context=16, heads=heads, head_width=8, causal=causal)


def dense(encoder: torch.nn.Module, length: int) -> Tensor:
    """[H, T, T], one query after the other: row t is the offsets -t, 1 - t, ..."""
    return torch.stack([encoder.bias_table(torch.arange(length) - t) for t in range(length)], 1)


def published_slopes(heads: int) -> list[float]:
    """As the paper's appendix gives them: a geometric series, filled up from that of twice the length."""
    power = 1
    while power * 2 <= heads:
        power *= 2
    first = 2.0 ** (-8 / power)
    slopes = [first ** (k + 1) for k in range(power)]
    if power < heads:
        slopes += published_slopes(2 * power)[0::2][: heads - power]
    return slopes


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("heads", [1, 2, 3, 6, 8, 12, 16])
def test_alibi_lowers_scores_by_slope_times_distance(heads: int, causal: bool) -> None:
    bias = dense(Alibi().assemble(site(heads, causal)), 5)
    assert bias.shape == (heads, 5, 5)
    for head, slope in enumerate(published_slopes(heads)):
        for i in range(5):
            for j in range(i + 1 if causal else 5):
                assert bias[head, i, j].item() == pytest.approx(-slope * abs(i - j), rel=1e-6)


@pytest.mark.parametrize("heads", [4, 6, 7, 12])
def test_alibi_weighs_keys_as_hugging_face_bloom(heads: int) -> None:
    # Bloom adds slope * j instead of -slope * (i - j): the same after the softmax of a row.
    bloom = build_alibi_tensor(torch.ones(1, 9), heads, torch.float32).reshape(heads, 1, 9).expand(-1, 9, -1)
    future = torch.ones(9, 9, dtype=torch.bool).triu(1)
    bias = dense(Alibi().assemble(site(heads)), 9)
    expected = bloom.masked_fill(future, float("-inf")).softmax(-1)
    torch.testing.assert_close(bias.masked_fill(future, float("-inf")).softmax(-1), expected)


def test_alibi_keeps_its_slopes_when_the_model_is_cast() -> None:
    encoder = Alibi().assemble(site(12))
    before = dense(encoder, 5)
    assert torch.equal(dense(encoder.bfloat16(), 5), before)


@pytest.mark.parametrize(("buckets", "max_distance"), [(32, 128), (8, 20), (32, 17)])
@pytest.mark.parametrize("causal", [True, False])
def test_t5_bias_equals_hugging_face(causal: bool, buckets: int, max_distance: int) -> None:
    config = T5Config(
        d_model=32,
        d_kv=8,
        num_heads=4,
        is_decoder=causal,
        relative_attention_num_buckets=buckets,
        relative_attention_max_distance=max_distance,
    )
    reference = T5Attention(config, has_relative_attention_bias=True, layer_idx=0)
    encoder = T5Bias(buckets=buckets, max_distance=max_distance).assemble(site(causal=causal))
    with torch.no_grad():
        encoder.weight.copy_(reference.relative_attention_bias.weight)
    bias = dense(encoder, 300)
    assert torch.equal(bias, reference.compute_bias(300, 300)[0])


@pytest.mark.parametrize("causal", [True, False])
def test_every_bucket_is_used_and_gets_a_gradient(causal: bool) -> None:
    encoder = T5Bias(buckets=8, max_distance=16).assemble(site(causal=causal))
    dense(encoder, 20).square().sum().backward()
    assert encoder.weight.grad is not None
    used = encoder.weight.grad.abs().sum(1) > 0
    # Looking both ways, the bucket "0 ahead" is never used: a token is not ahead of itself.
    assert used.tolist() == [True] * 8 if causal else [True] * 4 + [False] + [True] * 3


@pytest.mark.parametrize("causal", [True, False])
def test_each_offset_is_looked_up_by_itself(causal: bool) -> None:
    offsets = torch.arange(-40, 41)
    for encoder in encoders(causal):
        whole, order = encoder.bias_table(offsets), torch.randperm(81)
        assert whole.shape == (4, 81)
        assert torch.equal(encoder.bias_table(offsets[order]), whole[:, order])
        assert torch.equal(encoder.bias_table(offsets[7:9]), whole[:, 7:9])


def encoders(causal: bool) -> Iterator[torch.nn.Module]:
    yield Alibi().assemble(site(causal=causal))
    yield HardAlibi().assemble(site(causal=causal))
    yield Kerple().assemble(site(causal=causal))
    yield Kerple(kernel="power").assemble(site(causal=causal))
    yield T5Bias(buckets=8, max_distance=9).assemble(site(causal=causal))


def test_looking_both_ways_tells_t5_before_from_after_but_none_of_the_others() -> None:
    def mirrored(bias: Tensor) -> bool:
        return torch.equal(bias, bias.transpose(-1, -2))

    *others, t5 = (dense(encoder, 6) for encoder in encoders(causal=False))
    assert all(map(mirrored, others))
    assert not mirrored(t5)


def test_t5_begins_with_the_deviation_that_t5_begins_with() -> None:
    encoder = T5Bias(buckets=64).assemble(PositionSite(width=256, context=16, heads=64, head_width=4))
    assert abs(encoder.weight.std().item() - 256**-0.5) < 0.005


@pytest.mark.parametrize(
    ("part", "causal", "message"),
    [
        (T5Bias(buckets=7), False, "buckets 7 cannot be shared by two sides"),
        (T5Bias(buckets=2), False, "buckets 2 cannot be shared by two sides"),
        (T5Bias(buckets=32, max_distance=16), True, "max_distance 16 lies within the 16 distances"),
        (T5Bias(buckets=32, max_distance=8), False, "max_distance 8 lies within the 8 distances"),
    ],
)
def test_buckets_that_make_no_sense_are_refused(part: T5Bias, causal: bool, message: str) -> None:
    with pytest.raises(PartError, match=message):
        part.assemble(site(causal=causal))


def test_an_odd_number_of_buckets_serves_attention_that_looks_back() -> None:
    encoder = T5Bias(buckets=7, max_distance=20).assemble(site())
    assert dense(encoder, 4).shape == (4, 4, 4)


# --- ALiBi's relatives


def test_a_factor_multiplies_every_slope_of_alibi() -> None:
    plain, steep = Alibi().assemble(site(6)), Alibi(factor=3.0).assemble(site(6))
    torch.testing.assert_close(dense(steep, 7), 3 * dense(plain, 7))


@pytest.mark.parametrize(("heads", "masked_heads", "masked"), [(4, None, 2), (5, None, 3), (1, None, 1), (4, 3, 3)])
def test_hard_alibi_shows_each_masked_head_one_token_more(heads: int, masked_heads: int | None, masked: int) -> None:
    """As the code of the paper draws its masks: one diagonal after the other."""
    bias = dense(HardAlibi(masked_heads=masked_heads).assemble(site(heads)), 9)
    hidden = torch.full((heads, 9, 9), True)
    for head in range(heads):
        diagonals = range(head + 1) if head < masked else range(9)
        for diagonal in diagonals:
            hidden[head, range(diagonal, 9), range(9 - diagonal)] = False
    future = torch.ones(9, 9, dtype=torch.bool).triu(1)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        scores = 3 * torch.randn(heads, 9, 9).to(dtype)
        weights = (scores + bias.to(dtype)).masked_fill(future, float("-inf")).softmax(-1)
        expected = scores.masked_fill(hidden | future, float("-inf")).softmax(-1)
        assert torch.equal(weights == 0, expected == 0)
        torch.testing.assert_close(weights, expected)


def test_more_masked_heads_than_heads_are_refused() -> None:
    with pytest.raises(PartError, match="masked_heads 5 is more than the 4 heads there are"):
        HardAlibi(masked_heads=5).assemble(site(4))


@pytest.mark.parametrize("kernel", ["log", "power"])
def test_kerple_lowers_scores_by_its_kernel(kernel: Literal["log", "power"]) -> None:
    encoder = Kerple(kernel=kernel).assemble(site()).double()
    bias = dense(encoder, 6)
    for head in range(4):
        scale, shape = encoder.scale[head].item(), encoder.shape[head].item()
        a = math.log(1 + math.exp(scale))
        p = math.log(1 + math.exp(shape)) if kernel == "log" else 2 / (1 + math.exp(-shape))
        for i in range(6):
            for j in range(6):
                far = abs(i - j)
                expected = -p * math.log(1 + a * far) if kernel == "log" else -a * far**p
                assert bias[head, i, j].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kernel", ["log", "power"])
def test_kerple_begins_as_its_published_code_does_and_stays_in_range(kernel: Literal["log", "power"]) -> None:
    encoder = Kerple(kernel=kernel).assemble(PositionSite(width=4000, context=8, heads=4000, head_width=1))
    near = -encoder.bias_table(torch.tensor([1, 8]))

    def numbers() -> tuple[Tensor, Tensor]:
        """a and p of each head, from its bias at the distances 1 and 8."""
        if kernel == "power":
            return near[:, 0], (near[:, 1] / near[:, 0]).log() / math.log(8)
        a = torch.nn.functional.softplus(encoder.scale)
        return a, near[:, 0] / torch.log1p(a)

    for values, most in zip(numbers(), (1.0, 2.0), strict=True):
        # Uniform: mean and deviation of a sample of 4,000, within five standard errors.
        assert values.mean().item() == pytest.approx(most / 2, abs=0.025 * most)
        assert values.std().item() == pytest.approx(most / math.sqrt(12), abs=0.015 * most)
    with torch.no_grad():
        encoder.scale.fill_(-90.0), encoder.shape.fill_(90.0)
    assert (encoder.bias_table(torch.arange(9)) <= 0).all()


def test_kerples_gradient_is_finite_where_a_token_sees_itself() -> None:
    for encoder in (Kerple().assemble(site()), Kerple(kernel="power").assemble(site())):
        dense(encoder, 3).sum().backward()
        assert all(weight.grad.isfinite().all() and weight.grad.abs().sum() > 0 for weight in encoder.parameters())
