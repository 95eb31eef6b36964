"""The parts as recipes use them: what they refuse, and what they put together."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from transformers.models.t5.modeling_t5 import T5Attention

from partwise import PartError, use
from partwise.modules import causal_flow
from partwise.parts import HeadSite, LayerSite, SharedPosition
from partwise_attention.multi_head import MultiHeadAttention
from partwise_attention.parts import Additive, Causal, Dot, Linear, MultiHead, Raw, ScaledDot, Simple, Wrapper

from . import loops

B, T, C, H, D = 2, 7, 16, 2, 8
SITE = LayerSite(width=C, context=T)
ENCODER = replace(SITE, causal=False)
CROSS = replace(SITE, memory_width=6).over_memory()


def scores_of(module: MultiHeadAttention, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values per head, from the rows of the fused projection."""
    rows = zip(module.project.linear.weight.split(C), module.project.linear.bias.split(C), strict=True)
    queries, keys, values = (loops.heads_of(x, weight, bias, H) for weight, bias in rows)
    return queries, keys, values


def finish(module: MultiHeadAttention, mixed: Tensor) -> Tensor:
    return loops.beside(mixed).float() @ module.output.weight.T + module.output.bias


def past(row: int, t: int, s: int) -> bool:
    return s <= t


def test_rope_inside_attention_turns_pairs_as_complex_numbers() -> None:
    module, x = MultiHead(heads=H, position=use("rope")).build(SITE).eval(), torch.randn(B, T, C)
    queries, keys, values = scores_of(module, x)

    def turned(heads: Tensor) -> Tensor:
        pairs = torch.complex(heads[..., : D // 2], heads[..., D // 2 :])
        for t in range(T):
            for i in range(D // 2):
                pairs[:, :, t, i] *= torch.exp(torch.tensor(1j * t * 10_000 ** (-2 * i / D)))
        return torch.cat((pairs.real, pairs.imag), -1)

    mixed = loops.attention(turned(queries), turned(keys), values, loops.dot(D**-0.5), past)
    torch.testing.assert_close(module(x, causal_flow(T)), finish(module, mixed), rtol=1e-4, atol=1e-5)


def test_alibi_inside_attention_lowers_scores_with_distance() -> None:
    module, x = MultiHead(heads=H, position=use("alibi")).build(SITE).eval(), torch.randn(B, T, C)
    bias = torch.tensor([[[-slope * abs(t - s) for s in range(T)] for t in range(T)] for slope in (2**-4, 2**-8)])
    mixed = loops.attention(*scores_of(module, x), loops.dot(D**-0.5), past, bias)
    torch.testing.assert_close(module(x, causal_flow(T)), finish(module, mixed), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("causal", [True, False])
def test_t5_bias_inside_attention_follows_hugging_faces_buckets(causal: bool) -> None:
    site = SITE if causal else ENCODER
    part = MultiHead.model_validate(
        {"heads": H, "score": "dot", "bias": False, "position": {"use": "t5_bias", "buckets": 8, "max_distance": 6}}
    )
    module, x = part.build(site).eval(), torch.randn(B, T, C)
    offsets = torch.arange(T)[None, :] - torch.arange(T)[:, None]
    buckets = T5Attention._relative_position_bucket(offsets, not causal, 8, 6)
    bias = module.position.weight[buckets].permute(2, 0, 1)
    rows = module.project.linear.weight.split(C)
    queries, keys, values = (loops.heads_of(x, weight, None, H) for weight in rows)
    mixed = loops.attention(queries, keys, values, loops.dot(1.0), past if causal else lambda b, t, s: True, bias)
    expected = loops.beside(mixed).float() @ module.output.weight.T
    torch.testing.assert_close(module(x, causal_flow(T)), expected, rtol=1e-4, atol=1e-5)


def test_scores_are_what_their_parts_say() -> None:
    site = HeadSite(H, D)
    assert Dot().build(site).scale == 1
    assert ScaledDot().build(site).scale == pytest.approx(1 / math.sqrt(D))
    assert ScaledDot(scale=0.3).build(site).scale == 0.3
    assert Additive().build(site).scale is None
    assert Additive().build(site).vector.shape == (H, D)


def test_the_scale_is_that_of_the_head_and_not_of_the_width() -> None:
    module = MultiHead(heads=H, head_width=5).build(SITE)
    assert module.score.scale == pytest.approx(5**-0.5)
    assert module.output.weight.shape == (C, 5 * H)


@pytest.mark.parametrize(
    ("part", "site", "words"),
    [
        (MultiHead(heads=6), SITE, r"heads 6 does not divide width 16; the nearest number that does is (4|8)"),
        (MultiHead(heads=4, kv_heads=3), SITE, "kv_heads 3 does not divide heads 4"),
        (MultiHead(heads=2, kv_heads=4), SITE, "kv_heads 4 does not divide heads 2"),
        (MultiHead(heads=2, mask="bidirectional"), SITE, "show this model the tokens it must predict"),
        (MultiHead(heads=2, mask="causal"), CROSS, "no meaning over an encoder's states"),
        (MultiHead(heads=2, window=3), CROSS, "no meaning over an encoder's states"),
        (MultiHead(heads=2, position=use("rope")), CROSS, "no meaning over an encoder's states"),
        (MultiHead(heads=2, head_width=3, position=use("rope")), SITE, "head width 3"),
        (Wrapper(heads=3), SITE, "heads 3 does not divide width 16"),
        *((part, CROSS, "use multi_head") for part in (Simple(), Raw(), Linear(), Causal(), Wrapper(heads=2))),
    ],
)
def test_what_does_not_fit_is_refused_in_plain_words(part, site, words) -> None:
    with pytest.raises(PartError, match=words):
        part.build(site)


def test_a_position_that_acts_on_the_embedding_is_refused_inside_attention() -> None:
    with pytest.raises(ValidationError, match="is added to the embedding"):
        MultiHead(heads=2, position=use("learned"))


def test_attentions_of_each_shape_ask_for_the_models_position_once() -> None:
    shared = SharedPosition(use_part("rope"))
    site = replace(SITE, position=shared)
    MultiHead(heads=2).build(site)
    MultiHead(heads=2, kv_heads=1).build(site)
    assert shared.shapes == [(2, 8)]
    MultiHead(heads=4).build(site)
    MultiHead(heads=8, position=use("alibi")).build(site)
    assert shared.shapes == [(2, 8), (4, 4)]


def use_part(name: str):
    return MultiHead(heads=2, position=use(name)).position


def test_cross_attention_does_not_use_the_models_position() -> None:
    shared = SharedPosition(use_part("rope"))
    MultiHead(heads=4).build(replace(SITE, position=shared, memory_width=6).over_memory())
    assert not shared.shapes


@pytest.mark.parametrize(("mask", "causal"), [("auto", False), ("bidirectional", False), ("causal", True)])
def test_an_encoders_attention_looks_both_ways_unless_told_otherwise(mask, causal: bool) -> None:
    assert MultiHead(heads=2, mask=mask).build(ENCODER).visibility.causal is causal


def test_cross_attention_reads_a_memory_of_another_width() -> None:
    module = MultiHead(heads=2).build(CROSS)
    flow = replace(causal_flow(T), memory=torch.randn(B, 3, 6))
    assert module(torch.randn(B, T, C), flow).shape == (B, T, C)


def test_only_the_projections_named_have_a_bias() -> None:
    named = MultiHead(heads=2, bias=("query", "output")).build(SITE)
    assert named.project.biased == [True, False, False]
    assert named.output.bias is not None
    none = MultiHead(heads=2, bias=False).build(SITE)
    assert not [name for name, _ in none.named_parameters() if "bias" in name]
