from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from partwise.modules import Flow, Visibility, causal_flow
from partwise_attention.backends import Weighing
from partwise_attention.multi_head import Heads, MultiHeadAttention, QueryKeyNorms
from partwise_attention.scores import AdditiveScore, DotScore

from . import loops

B, T, C, H, D = 2, 6, 12, 4, 3
ALL = frozenset(("query", "key", "value", "output"))

LEFT = torch.tensor([[False, False, True, True, True, True], [True] * 6])
RIGHT = torch.tensor([[True, True, True, True, False, False], [True] * 6])
PACKED = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 2]])


class SlowDot(nn.Module):
    """The dot score without its scale made known, which keeps attention off the fused kernels."""

    scale = None

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.dot = DotScore(scale)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        return self.dot(queries, keys)


class Ramp(nn.Module):
    """A position encoder that only biases, by something of its own for each head and distance."""

    max_positions = None

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        return x

    def angles(self, positions: Tensor) -> None:
        return None

    def rotate(self, heads: Tensor, angles: tuple[Tensor, ...]) -> Tensor:
        return heads

    def bias_table(self, offsets: Tensor) -> Tensor:
        return torch.stack([torch.sin(offsets.double() * (head + 1)) for head in range(H)]).float()


class Quarter(nn.Module):
    """A position encoder that only rotates: the first two features of a head by a quarter turn per position."""

    max_positions = None

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        return x

    def angles(self, positions: Tensor) -> tuple[Tensor, ...]:
        turns = positions.float() * torch.pi / 2
        turns = turns if turns.ndim == 1 else turns.unsqueeze(1)
        return turns.cos(), turns.sin()

    def rotate(self, heads: Tensor, angles: tuple[Tensor, ...]) -> Tensor:
        cos, sin = angles
        a, b, rest = heads[..., 0], heads[..., 1], heads[..., 2:]
        return torch.cat(((a * cos - b * sin).unsqueeze(-1), (a * sin + b * cos).unsqueeze(-1), rest), -1)

    def bias_table(self, offsets: Tensor) -> None:
        return None


def attention(
    score: nn.Module | None = None,
    kv_heads: int = H,
    biased: Iterable[str] = ALL,
    causal: bool = True,
    window: int | None = None,
    **settings,
) -> MultiHeadAttention:
    heads, visibility, score = Heads(H, kv_heads, D), Visibility(causal, window), score or DotScore(D**-0.5)
    module = MultiHeadAttention(C, heads, score, frozenset(biased), visibility=visibility, **settings)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module.eval()


def by_hand(
    module: MultiHeadAttention, x: Tensor, sees: loops.Sees, score: loops.Score, bias: Tensor | None = None
) -> Tensor:
    """Self-attention from the module's weights: separate projections, repeated heads, loops."""
    K = module.heads.key_value
    weights = module.project.linear.weight.split([H * D, K * D, K * D])
    biases = module.project.linear.bias.split([H * D, K * D, K * D])
    queries, keys, values = (
        loops.heads_of(x, weight, b, heads) for weight, b, heads in zip(weights, biases, (H, K, K), strict=True)
    )
    keys, values = (torch.stack([one[:, h * K // H] for h in range(H)], 1) for one in (keys, values))
    mixed = loops.attention(queries, keys, values, score, sees, bias, module.weighing.soft_cap)
    return loops.beside(mixed).float() @ module.output.weight.T + module.output.bias


SCORES = {
    "fused": lambda: (DotScore(0.5), None),
    "explicit": lambda: (SlowDot(0.5), None),
    "capped": lambda: (DotScore(0.5), 0.8),
    "additive": lambda: (AdditiveScore(H, D), None),
}


@pytest.mark.parametrize("score_name", SCORES)
@pytest.mark.parametrize(
    ("causal", "window", "padding", "packed", "biased", "kv_heads"),
    [
        (True, None, None, False, False, H),
        (False, None, None, False, False, H),
        (True, None, None, False, True, H),
        (False, None, None, False, True, 2),
        (True, 2, None, False, False, 1),
        (False, 2, None, False, True, H),
        (True, None, LEFT, False, True, 2),
        (False, None, RIGHT, False, False, 2),
        (True, None, None, True, False, H),
        (True, 2, RIGHT, True, True, 2),
    ],
)
def test_attention_equals_loops_over_separate_heads(
    score_name, causal, window, padding, packed, biased, kv_heads
) -> None:
    score, cap = SCORES[score_name]()
    position = Ramp() if biased else None
    module = attention(
        score, kv_heads, causal=causal, window=window, position=position, weighing=Weighing(soft_cap=cap)
    )
    x = torch.randn(B, T, C)
    documents = PACKED if packed else None
    flow = replace(causal_flow(T), padding=padding, documents=documents)

    def sees(row: int, t: int, s: int) -> bool:
        return (
            (s <= t or not causal)
            and (window is None or abs(t - s) < window)
            and (documents is None or bool(documents[row, t] == documents[row, s]))
            and (padding is None or bool(padding[row, s]))
        )

    bias = torch.stack([Ramp().bias_table(torch.arange(T) - t) for t in range(T)], 1)
    formula = loops.additive(score.vector.detach()) if score_name == "additive" else loops.dot(0.5)
    expected = by_hand(module, x, sees, formula, bias if biased else None)
    result = module(x, flow)
    real = torch.ones(B, T, dtype=torch.bool) if padding is None else padding
    torch.testing.assert_close(result[real], expected[real], rtol=1e-4, atol=1e-5)
    assert result.isfinite().all()


@pytest.mark.parametrize(("causal", "masked"), [*product([True, False], [True, False])])
def test_self_attention_equals_pytorchs(causal: bool, masked: bool) -> None:
    theirs = nn.MultiheadAttention(C, H, batch_first=True)
    nn.init.normal_(theirs.in_proj_bias)
    nn.init.normal_(theirs.out_proj.bias)
    ours = attention(causal=causal)
    ours.load_state_dict(
        {
            "project.linear.weight": theirs.in_proj_weight,
            "project.linear.bias": theirs.in_proj_bias,
            "output.weight": theirs.out_proj.weight,
            "output.bias": theirs.out_proj.bias,
        }
    )
    x = torch.randn(B, T, C)
    future = torch.ones(T, T, dtype=torch.bool).triu(1) if causal else None
    padding = RIGHT if masked else None
    expected, _ = theirs(x, x, x, key_padding_mask=~RIGHT if masked else None, attn_mask=future)
    result = ours(x, replace(causal_flow(T), padding=padding))
    real = RIGHT if masked else torch.ones_like(RIGHT)
    torch.testing.assert_close(result[real], expected[real], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_cross_attention_equals_pytorchs(masked: bool) -> None:
    M, memory_width = 5, 7
    theirs = nn.MultiheadAttention(C, H, kdim=memory_width, vdim=memory_width, batch_first=True)
    nn.init.normal_(theirs.in_proj_bias)
    ours = MultiHeadAttention(C, Heads(H, H, D), DotScore(D**-0.5), ALL, memory_width=memory_width)
    query_bias, *pair = theirs.in_proj_bias.split(C)
    ours.load_state_dict(
        {
            "query.weight": theirs.q_proj_weight,
            "query.bias": query_bias,
            "project.linear.weight": torch.cat((theirs.k_proj_weight, theirs.v_proj_weight)),
            "project.linear.bias": torch.cat(pair),
            "output.weight": theirs.out_proj.weight,
            "output.bias": theirs.out_proj.bias,
        }
    )
    x, memory = torch.randn(B, T, C), torch.randn(B, M, memory_width)
    padding = torch.tensor([[True] * 5, [True, True, False, False, False]]) if masked else None
    expected, _ = theirs(x, memory, memory, key_padding_mask=None if padding is None else ~padding)
    result = ours(x, replace(causal_flow(T), memory=memory, memory_padding=padding))
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


def cross_attention(score: nn.Module | None = None) -> MultiHeadAttention:
    return attention(score, kv_heads=2, memory_width=C)


def test_cross_attention_projects_the_memory_once_and_then_remembers_it() -> None:
    module, x, memory = cross_attention(), torch.randn(B, T, C), torch.randn(B, 5, C)
    padding = torch.tensor([[True] * 5, [False, True, True, False, False]])
    full = module(x, replace(causal_flow(T), memory=memory, memory_padding=padding))
    state = module.empty_state(B, 5, x)
    first = Flow(torch.arange(2), memory=memory, memory_padding=padding)
    parts = [module(x[:, :2], first, state)]
    for t in range(2, T):
        elsewhere = Flow(torch.tensor([t]), t, memory=torch.full_like(memory, torch.nan), memory_padding=padding)
        parts.append(module(x[:, t : t + 1], elsewhere, state))
    torch.testing.assert_close(torch.cat(parts, 1), full)


@pytest.mark.parametrize("score", [DotScore(1.0), SlowDot(1.0)], ids=["fused", "explicit"])
def test_a_memory_of_padding_only_gives_what_the_output_layer_makes_of_zeros(score: nn.Module) -> None:
    module, x = cross_attention(score), torch.randn(B, T, C)
    flow = replace(causal_flow(T), memory=torch.randn(B, 5, C), memory_padding=torch.zeros(B, 5, dtype=torch.bool))
    torch.testing.assert_close(module(x, flow), module.output.bias.expand(B, T, C))


def test_the_order_of_the_memory_does_not_matter() -> None:
    module, x, memory = cross_attention(), torch.randn(B, T, C), torch.randn(B, 5, C)
    one = module(x, replace(causal_flow(T), memory=memory))
    other = module(x, replace(causal_flow(T), memory=memory[:, torch.randperm(5)]))
    torch.testing.assert_close(one, other)


def test_without_positions_bidirectional_attention_follows_a_permutation_of_its_input() -> None:
    module, x, order = attention(causal=False), torch.randn(B, T, C), torch.randperm(T)
    torch.testing.assert_close(module(x[:, order], causal_flow(T)), module(x, causal_flow(T))[:, order])


@pytest.mark.parametrize("kv_heads", [1, 2])
def test_grouped_heads_are_repeated_heads(kv_heads: int) -> None:
    grouped, full = attention(kv_heads=kv_heads), attention()
    query, key, value = grouped.project.linear.weight.split([H * D, kv_heads * D, kv_heads * D])
    query_bias, key_bias, value_bias = grouped.project.linear.bias.split([H * D, kv_heads * D, kv_heads * D])

    def repeated(rows: Tensor) -> Tensor:
        return rows.unflatten(0, (kv_heads, D)).repeat_interleave(H // kv_heads, 0).flatten(0, 1)

    full.load_state_dict(
        grouped.state_dict()
        | {
            "project.linear.weight": torch.cat((query, repeated(key), repeated(value))),
            "project.linear.bias": torch.cat((query_bias, repeated(key_bias), repeated(value_bias))),
        }
    )
    x = torch.randn(B, T, C)
    torch.testing.assert_close(grouped(x, causal_flow(T)), full(x, causal_flow(T)))
    assert grouped.empty_state(B, T, x)["keys"].shape == (B, kv_heads, T, D)


@pytest.mark.parametrize("causal", [True, False])
def test_a_window_as_long_as_the_text_is_no_window(causal: bool) -> None:
    windowed, full = attention(causal=causal, window=T), attention(causal=causal)
    full.load_state_dict(windowed.state_dict())
    x = torch.randn(B, T, C)
    torch.testing.assert_close(windowed(x, causal_flow(T)), full(x, causal_flow(T)))


def test_a_window_of_one_sees_itself_only() -> None:
    module, x = attention(window=1), torch.randn(B, T, C)
    values = module.project(x)[2]
    torch.testing.assert_close(module(x, causal_flow(T)), module.output(values))


FLOWS = {
    "plain": {},
    "left padding": {"padding": LEFT},
    "right padding": {"padding": RIGHT},
    "packed": {"documents": PACKED},
}


@pytest.mark.parametrize(
    ("flow_name", "causal", "window", "position"),
    [*product(FLOWS, [True, False], [None, 3], [None, Ramp, Quarter])],
)
def test_the_fused_kernels_equal_the_explicit_path(flow_name, causal, window, position) -> None:
    settings = {"causal": causal, "window": window, "position": position and position()}
    fused, explicit = attention(DotScore(0.7), 2, **settings), attention(SlowDot(0.7), 2, **settings)
    explicit.load_state_dict(fused.state_dict())
    x, flow = torch.randn(B, T, C), replace(causal_flow(T), **FLOWS[flow_name])
    torch.testing.assert_close(fused(x, flow), explicit(x, flow), rtol=1e-4, atol=1e-5)
    states = [module.empty_state(B, T, x) for module in (fused, explicit)]
    for start, end in ((0, 3), (3, 5), (5, 6)):
        cut = {name: whole[:, :end] for name, whole in FLOWS[flow_name].items()}
        part = Flow(torch.arange(start, end), start, **cut)
        one, other = (
            module(x[:, start:end], part, state) for module, state in zip((fused, explicit), states, strict=True)
        )
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("biased", [(), ("query",), ("query", "key", "value"), ("value", "output"), tuple(ALL)])
def test_each_projection_has_a_bias_of_its_own_or_none(biased: tuple[str, ...]) -> None:
    module, x = attention(kv_heads=2, biased=biased), torch.randn(B, T, C)
    sizes = {"query": H * D, "key": 2 * D, "value": 2 * D}
    expected = sum(sizes.get(name, C) for name in biased)
    assert sum(one.numel() for name, one in module.named_parameters() if "bias" in name) == expected
    plain = attention(kv_heads=2, biased=())
    weights = {name: one for name, one in module.state_dict().items() if "bias" not in name}
    plain.load_state_dict(weights)
    for name, ours, theirs in zip(sizes, module.project(x), plain.project(x), strict=True):
        difference = ours - theirs
        assert difference.shape[-1] == sizes[name]
        if name in biased:
            torch.testing.assert_close(difference, difference[:1, :1].expand_as(difference), rtol=1e-4, atol=1e-5)
            assert difference.abs().min() > 0
        else:
            torch.testing.assert_close(ours, theirs)


def rms(x: Tensor) -> Tensor:
    return x / x.square().mean(-1, keepdim=True).sqrt()


@pytest.mark.parametrize("over", ["head", "width"])
def test_queries_and_keys_are_normalised_before_they_are_rotated(over: str) -> None:
    spans = (1, 1) if over == "head" else (H, 2)
    norms = tuple(nn.RMSNorm(D * span, eps=0.0) for span in spans)
    module = attention(kv_heads=2, position=Quarter(), norms=QueryKeyNorms(*norms, over == "width"), biased=())
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
    x = torch.randn(B, T, C)
    query, key, value = module.project.linear.weight.split([H * D, 2 * D, 2 * D])
    if over == "head":
        queries = rms(loops.heads_of(x, query, None, H)) * norms[0].weight
        keys = rms(loops.heads_of(x, key, None, 2)) * norms[1].weight
    else:
        queries = loops.heads_of(rms(x @ query.T) * norms[0].weight, torch.eye(H * D), None, H)
        keys = loops.heads_of(rms(x @ key.T) * norms[1].weight, torch.eye(2 * D), None, 2)
    encoder = Quarter()
    angles = encoder.angles(torch.arange(T))
    queries, keys = encoder.rotate(queries, angles), encoder.rotate(keys, angles)
    keys, values = (one.repeat_interleave(2, 1) for one in (keys, loops.heads_of(x, value, None, 2)))
    mixed = loops.attention(queries, keys, values, loops.dot(D**-0.5), lambda b, t, s: s <= t)
    torch.testing.assert_close(
        module(x, causal_flow(T)), loops.beside(mixed).float() @ module.output.weight.T, rtol=1e-4, atol=1e-5
    )


def test_an_attentions_own_position_takes_the_place_of_the_models() -> None:
    own, without = attention(position=Ramp()), attention()
    without.load_state_dict(own.state_dict())
    x, flow = torch.randn(B, T, C), causal_flow(T)
    torch.testing.assert_close(own(x, flow.placed_by(Quarter())), own(x, flow))
    torch.testing.assert_close(without(x, flow.placed_by(Ramp())), own(x, flow))
    assert not torch.allclose(without(x, flow.placed_by(Quarter())), own(x, flow))


def test_dropout_acts_in_training_only() -> None:
    module, x = attention(weighing=Weighing(dropout=0.5)), torch.randn(B, T, C)
    assert module(x, causal_flow(T)).equal(module(x, causal_flow(T)))
    module.train()
    assert not module(x, causal_flow(T)).equal(module(x, causal_flow(T)))


def test_a_plain_causal_pass_builds_no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        torch.nn.functional,
        "scaled_dot_product_attention",
        lambda q, k, v, **how: asked.append(how) or torch.zeros_like(q),
    )
    module, x = attention(), torch.randn(B, T, C)
    module(x, causal_flow(T))
    module(x[:, :1], Flow(torch.tensor([3]), 3), module.empty_state(B, T, x))
    assert [(how["attn_mask"], how["is_causal"]) for how in asked] == [(None, True), (None, False)]
