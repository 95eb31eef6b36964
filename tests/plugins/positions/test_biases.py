"""ALiBi and T5's buckets, which are added to the scores of attention."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from transformers import T5Config
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.t5.modeling_t5 import T5Attention

from partwise import PartError
from partwise.parts import PositionSite
from partwise_positions.parts import Alibi, T5Bias


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
    yield T5Bias(buckets=8, max_distance=9).assemble(site(causal=causal))


def test_looking_both_ways_tells_t5_before_from_after_but_not_alibi() -> None:
    def mirrored(bias: Tensor) -> bool:
        return torch.equal(bias, bias.transpose(-1, -2))

    alibi, t5 = (dense(encoder, 6) for encoder in encoders(causal=False))
    assert mirrored(alibi)
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
