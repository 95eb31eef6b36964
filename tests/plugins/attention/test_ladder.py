from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from partwise.modules import causal_flow
from partwise.parts import AttentionPart, LayerSite
from partwise_attention.ladder import HeadWrapper, LinearHead, RawHead, SimpleAttention
from partwise_attention.multi_head import Heads, MultiHeadAttention
from partwise_attention.parts import Causal, Linear, Raw, Simple, Wrapper
from partwise_attention.scores import DotScore

B, T, C = 2, 5, 8


def softmax_rows(scores: Tensor, causal: bool) -> Tensor:
    """Row by row, over the keys up to the row's own where it looks back only."""
    weights = torch.zeros_like(scores)
    for t in range(T):
        seen = t + 1 if causal else T
        exponentials = scores[:, t, :seen].exp()
        weights[:, t, :seen] = exponentials / exponentials.sum(-1, keepdim=True)
    return weights


@pytest.mark.parametrize("causal", [False, True])
def test_simple_attention_is_softmax_of_x_xt_times_x(causal: bool) -> None:
    x = torch.randn(B, T, C)
    expected = softmax_rows(x @ x.mT, causal) @ x
    torch.testing.assert_close(SimpleAttention(C, causal)(x, causal_flow(T)), expected)


@pytest.mark.parametrize("causal", [False, True])
def test_the_raw_head_is_its_formula(causal: bool) -> None:
    x, head = torch.randn(B, T, C), RawHead(C, 4, causal)
    scores = (x @ head.query) @ (x @ head.key).mT / 4**0.5
    torch.testing.assert_close(head(x, causal_flow(T)), softmax_rows(scores, causal) @ (x @ head.value))


@pytest.mark.parametrize("causal", [False, True])
def test_the_linear_head_is_the_raw_head_with_its_weights_transposed(causal: bool) -> None:
    x, raw, linear = torch.randn(B, T, C), RawHead(C, 4, causal), LinearHead(C, 4, causal)
    linear.load_state_dict({f"{name}.weight": weight.T for name, weight in raw.state_dict().items()})
    torch.testing.assert_close(linear(x, causal_flow(T)), raw(x, causal_flow(T)))


@pytest.mark.parametrize("part", [Simple(), Raw(), Linear(), Causal(), Wrapper(heads=2)])
def test_every_rung_takes_the_factor_of_a_parametrisation(part: AttentionPart) -> None:
    module = part.build(LayerSite(width=C, context=T, score_factor=0.25))
    rungs: list[nn.Module] = list(module.heads) if isinstance(module, HeadWrapper) else [module]
    plain = 1.0 if isinstance(part, Simple) else (C / len(rungs)) ** -0.5
    assert [rung.score.scale for rung in rungs] == [plain / 4] * len(rungs)


def test_the_linear_head_adds_its_biases() -> None:
    x, head = torch.randn(B, T, C), LinearHead(C, C, True, bias=True)
    query, key, value = (x @ one.weight.T + one.bias for one in (head.query, head.key, head.value))
    torch.testing.assert_close(head(x, causal_flow(T)), softmax_rows(query @ key.mT / C**0.5, True) @ value)


def test_dropout_of_the_causal_head_acts_in_training_only() -> None:
    x, head = torch.randn(B, T, C), LinearHead(C, C, True, dropout=0.5)
    assert not head(x, causal_flow(T)).equal(head(x, causal_flow(T)))
    head.eval()
    assert head(x, causal_flow(T)).equal(head(x, causal_flow(T)))


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_the_wrapper_equals_fused_multi_head_attention(heads: int) -> None:
    width = C // heads
    wrapper = HeadWrapper([LinearHead(C, width, True, bias=True) for _ in range(heads)], C)
    every = frozenset(("query", "key", "value", "output"))
    fused = MultiHeadAttention(C, Heads(heads, heads, width), DotScore(width**-0.5), every)
    rows = [[getattr(head, name) for head in wrapper.heads] for name in ("query", "key", "value")]
    linears: list[nn.Linear] = [linear for row in rows for linear in row]
    fused.load_state_dict(
        {
            "project.linear.weight": torch.cat([linear.weight for linear in linears]),
            "project.linear.bias": torch.cat([linear.bias for linear in linears]),
            "output.weight": wrapper.output.weight,
            "output.bias": wrapper.output.bias,
        }
    )
    x = torch.randn(B, T, C)
    torch.testing.assert_close(wrapper(x, causal_flow(T)), fused(x, causal_flow(T)))
