"""Embeddings, heads and first weights, each against its formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from partwise.parts import EmbeddingSite, LayerSite
from partwise_models.embeddings import DenseEmbedding, OneHotEmbedding, SegmentedEmbedding
from partwise_models.initializers import NormalInitializer, XavierInitializer
from partwise_models.parts import Dense, Normal, OneHot, Xavier
from partwise_models.stack import Head, Input

B, T, C, V = 2, 5, 8, 11


def test_a_dense_embedding_looks_rows_up() -> None:
    embedding, tokens = DenseEmbedding(V, C), torch.randint(V, (B, T))
    assert embedding(tokens)[1, 3].equal(embedding.weight[tokens[1, 3]])


def test_a_segmented_embedding_adds_the_first_segment_and_gives_the_head_the_tokens_alone() -> None:
    embedding, tokens = SegmentedEmbedding(V, C, 2), torch.randint(V, (B, T))
    assert embedding(tokens)[1, 3].equal(embedding.weight[tokens[1, 3]] + embedding.segment[0])
    assert embedding.weight_for_head() is embedding.weight
    assert embedding.segment.shape == (2, C)


def test_a_one_hot_embedding_has_a_one_at_the_id() -> None:
    vectors = OneHotEmbedding(V)(torch.tensor([[3, 0]]))
    assert vectors.tolist() == [[[float(i == 3) for i in range(V)], [float(i == 0) for i in range(V)]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_one_hot_embedding_follows_the_dtype_of_its_model(dtype: torch.dtype) -> None:
    inside = nn.Sequential(OneHotEmbedding(V), nn.Linear(V, C)).to(dtype)
    assert inside(torch.randint(V, (B, T))).dtype == dtype


def test_a_one_hot_input_is_a_column_of_the_projection() -> None:
    input, tokens = Input(OneHotEmbedding(V), C, 1.0), torch.randint(V, (B, T))
    assert input.projection is not None
    torch.testing.assert_close(input(tokens)[0, 2], input.projection.weight[:, tokens[0, 2]])


def test_a_narrow_embedding_is_projected_and_scaled() -> None:
    input, tokens = Input(DenseEmbedding(V, 3), C, 2.5), torch.randint(V, (B, T))
    assert input.projection is not None
    expected = 2.5 * input.embedding.weight[tokens] @ input.projection.weight.T
    torch.testing.assert_close(input(tokens), expected)


def test_an_embedding_as_wide_as_the_model_is_not_projected() -> None:
    assert Input(DenseEmbedding(V, C), C, 1.0).projection is None


def test_the_embedding_parts_give_what_they_say() -> None:
    site = EmbeddingSite(V, C)
    assert Dense().build(site).weight.shape == (V, C)
    assert Dense(width=3).build(site).width == 3
    assert OneHot().build(site).width == V


@pytest.mark.parametrize(
    ("tied", "bias", "cap"), [(True, False, None), (True, True, 3.0), (False, True, None), (False, False, 2.0)]
)
def test_the_head_is_a_product_a_bias_and_a_cap(tied: bool, bias: bool, cap: float | None) -> None:
    head, table, x = Head(C, V, tied, bias, cap), torch.randn(V, C), 3 * torch.randn(B, T, C)
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    weight = table if tied else head.linear.weight
    logits = x @ weight.T
    if bias:
        logits = logits + (head.bias if tied else head.linear.bias)
    if cap is not None:
        logits = cap * torch.tanh(logits / cap)
        assert logits.abs().max() <= cap
    torch.testing.assert_close(head(x, table if tied else None), logits, rtol=1e-4, atol=1e-5)


def large(initializer: NormalInitializer | XavierInitializer, ends: bool = False) -> nn.Linear:
    layer = nn.Linear(300, 200)
    nn.init.ones_(layer.bias)
    if ends:
        layer.ends_residual_branch = True  # type: ignore[assignment]
    initializer(layer)
    return layer


def test_normal_weights_have_their_deviation_and_biases_are_zero() -> None:
    layer = large(NormalInitializer(0.02, 8))
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert layer.weight.mean().item() == pytest.approx(0, abs=1e-3)
    assert layer.bias.abs().max() == 0


def test_a_layer_that_ends_a_residual_branch_begins_smaller() -> None:
    site = LayerSite(width=C, depth=8)
    layer = large(Normal(std=0.1).build(site), ends=True)
    assert layer.weight.std().item() == pytest.approx(0.1 / math.sqrt(2 * 8), rel=0.02)
    layer = large(Normal(std=0.1, scale_residual=False).build(site), ends=True)
    assert layer.weight.std().item() == pytest.approx(0.1, rel=0.02)


def test_xavier_weights_are_uniform_between_the_bounds_of_the_paper() -> None:
    layer = large(Xavier().build(LayerSite(width=C)))
    bound = math.sqrt(6 / (300 + 200))
    assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert layer.weight.abs().max().item() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert layer.bias.abs().max() == 0


def test_embeddings_begin_with_a_deviation_that_suits_them() -> None:
    for initializer, std in ((NormalInitializer(0.02, 1), 0.02), (XavierInitializer(), 100**-0.5)):
        table = nn.Embedding(500, 100)
        initializer(table)
        assert table.weight.std().item() == pytest.approx(std, rel=0.02)
