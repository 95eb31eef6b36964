"""Gated attention, value residuals and hybrids equal their equations; norms of queries and keys stand where asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from partwise import InputError, PartError, use
from partwise.modules import Flow, causal_flow
from partwise.parts import Agreement, LayerSite
from partwise_attention.hybrid import Hybrid
from partwise_attention.multi_head import MultiHeadAttention
from partwise_attention.parts import Hybrid as HybridPart
from partwise_attention.parts import MultiHead
from partwise_attention.parts.gating import GateSite
from partwise_attention.parts.gating import SigmoidGate as GatePart

B, T, C, H, K, D = 2, 6, 16, 4, 2, 4
SITE = LayerSite(width=C, context=T, layer=1, depth=3)


def shaken(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module.eval()


def attention(site: LayerSite = SITE, **knobs: object) -> MultiHeadAttention:
    return shaken(MultiHead.model_validate({"heads": H, "kv_heads": K, **knobs}).build(site))


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("per", ["feature", "head"])
def test_a_gate_scales_features_or_heads_by_a_sigmoid_of_the_input(per: str) -> None:
    module = shaken(GatePart(per=per, bias=True).build(GateSite(C, H, D)))
    heads, x = torch.randn(B, H, T, D), torch.randn(B, T, C)
    result = module(heads, x)
    for h in range(H):
        rows = slice(h * D, (h + 1) * D) if per == "feature" else slice(h, h + 1)
        scores = x @ module.linear.weight[rows].T + module.linear.bias[rows]
        close(result[:, h], heads[:, h] / (1 + torch.exp(-scores)))


def test_the_gate_acts_before_the_output_projection_and_reads_what_the_attention_reads() -> None:
    gated, plain = attention(gate="sigmoid_gate", bias=False), attention(bias=False)
    plain.load_state_dict({name: weight for name, weight in gated.state_dict().items() if "gate" not in name})
    x = torch.randn(B, T, C)
    heads = []
    plain.output.register_forward_pre_hook(lambda module, inputs: heads.append(inputs[0]))
    plain(x, causal_flow(T))
    close(gated(x, causal_flow(T)), (heads[0] * torch.sigmoid(x @ gated.gate.linear.weight.T)) @ gated.output.weight.T)


def test_values_are_mixed_with_those_of_the_first_layer() -> None:
    first, later = (attention(replace(SITE, layer=layer), values="value_residual") for layer in (0, 2))
    plain = attention()
    plain.load_state_dict({name: weight for name, weight in later.state_dict().items() if "values" not in name})
    x, y = torch.randn(B, T, C), torch.randn(B, T, C)
    flow = causal_flow(T)
    first(x, flow)
    mixed = later(y, flow)

    queries, keys, values = plain.project(y)
    one, own = later.values.weights
    blended = one * first.project(x)[2] + own * values
    plain.project.forward = lambda inputs: (queries, keys, blended)
    close(mixed, plain(y, causal_flow(T)))


def test_the_first_layers_own_values_stay_as_they_are() -> None:
    first = attention(replace(SITE, layer=0), values="value_residual")
    plain = attention()
    plain.load_state_dict(first.state_dict())
    x = torch.randn(B, T, C)
    close(first(x, causal_flow(T)), plain(x, causal_flow(T)))


@torch.no_grad()
def test_decoding_mixes_values_as_one_pass_does() -> None:
    layers = [attention(replace(SITE, layer=layer), values="value_residual", window=4) for layer in range(3)]
    x = torch.randn(B, T, C)

    def run(x: Tensor, flow: Flow, states: list) -> Tensor:
        for layer, state in zip(layers, states, strict=True):
            x = x + layer(x, flow, state)
        return x

    states = [layer.empty_state(B, T, x) for layer in layers]
    pieces = [
        run(x[:, start:end], Flow(torch.arange(start, end), start), states) for start, end in ((0, 3), (3, 5), (5, 6))
    ]
    close(torch.cat(pieces, 1), run(x, causal_flow(T), [None] * 3))


def test_values_of_another_shape_and_of_a_memory_are_refused() -> None:
    flow, x = causal_flow(T), torch.randn(B, T, C)
    attention(replace(SITE, layer=0), values="value_residual")(x, flow)
    with pytest.raises(InputError, match="the first attention has 2 key and value heads of width 4 and a later one 4"):
        attention(values="value_residual", kv_heads=4)(x, flow)
    with pytest.raises(PartError, match="no meaning over an encoder's states"):
        attention(replace(SITE, memory_width=5).over_memory(), values="value_residual")


@torch.no_grad()
def test_a_convolution_of_queries_keys_and_values_is_added_to_them() -> None:
    """Canon-B: as attention without it does with projections that were convolved by hand."""
    module = attention(projected={"use": "short_convolution", "gated": False, "kernel": 3}, bias=False)
    plain, x = attention(bias=False), torch.randn(B, T, C)
    plain.load_state_dict({name: weight for name, weight in module.state_dict().items() if "projected" not in name})
    taps = module.projected.weight[:, 0]
    given = module.project.linear(x)
    by_hand = given.clone()
    for t in range(T):
        for back in range(min(3, t + 1)):
            by_hand[:, t] += taps[:, 2 - back] * given[:, t - back]
    plain.project.forward = lambda _: by_hand.split([H * D, K * D, K * D], dim=-1)
    close(module(x, causal_flow(T)), plain(x, causal_flow(T)))


def test_values_of_another_shape_are_refused_while_a_model_is_built() -> None:
    site = replace(SITE, layer=0, agreement=Agreement())
    attention(site, values="value_residual")
    attention(replace(site, layer=1), kv_heads=4)  # which shares nothing
    with pytest.raises(
        PartError, match="layer 0 has 2 key and value heads of width 4, and layer 2 has 1 key and value"
    ):
        attention(replace(site, layer=2), kv_heads=1, values="value_residual")


@pytest.mark.parametrize("place", ["before_rotation", "after_rotation"])
@pytest.mark.parametrize("over", ["head", "each_head", "width"])
@torch.no_grad()
def test_queries_and_keys_are_normalised_where_and_over_what_is_asked_for(place: str, over: str) -> None:
    module = attention(query_key_norm="rms_norm", query_key_norm_over=over, query_key_norm_place=place, position="rope")
    plain = attention()
    plain.load_state_dict({name: weight for name, weight in module.state_dict().items() if "_norm" not in name})
    flow, x = causal_flow(T), torch.randn(B, T, C)
    placed = flow.placed_by(module.position)

    def by_hand(rows: Tensor, norm: nn.Module) -> Tensor:
        heads = rows.unflatten(-1, (-1, D)).transpose(1, 2)
        if place == "after_rotation":
            heads = placed.rotate(heads)
        if over == "width":
            size = heads.square().mean((1, 3), keepdim=True).sqrt()
            gains = norm.weight.view(-1, 1, D)
        else:
            size = heads.square().mean(-1, keepdim=True).sqrt()
            gains = norm.weight if over == "head" else torch.stack([one.weight for one in norm.norms])[:, None]
        heads = heads / size * gains
        return placed.rotate(heads) if place == "before_rotation" else heads

    queries, keys, values = module.project(x)
    queries, keys = (
        by_hand(rows, norm).transpose(1, 2).flatten(2)
        for rows, norm in ((queries, module.query_norm), (keys, module.key_norm))
    )
    plain.project.forward = lambda inputs: (queries, keys, values)
    close(module(x, flow), plain(x, flow))


def hybrid(other: object, **knobs: object) -> Hybrid:
    mixer = {"use": "multi_head", "heads": 2}
    return shaken(HybridPart.model_validate({"attention": mixer, "other": other, **knobs}).build(SITE))


def test_a_hybrid_is_the_scaled_sum_of_two_normalised_mixers() -> None:
    module, x = hybrid("gru", bias=True), torch.randn(B, T, C)
    flow, total = causal_flow(T), torch.zeros(B, T, C)
    for scale, mixer, norm in zip(
        module.scales, (module.attention, module.other), (module.attention_norm, module.other_norm), strict=True
    ):
        y = mixer(x, flow)
        total += scale * y / (y.square().mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight
    close(module(x, flow), total @ module.output.weight.T + module.output.bias)


@torch.no_grad()
def test_a_hybrid_decodes_with_the_states_of_both() -> None:
    module, x = hybrid("gru"), torch.randn(B, T, C)
    state = module.empty_state(B, T, x)
    pieces = [
        module(x[:, start:end], Flow(torch.arange(start, end), start), state) for start, end in ((0, 3), (3, 4), (4, 6))
    ]
    close(torch.cat(pieces, 1), module(x, causal_flow(T)))
    assert set(state) == {"attention", "other"}


def test_a_hybrid_starts_with_both_halves_alike() -> None:
    module = HybridPart(attention=use("causal_head"), other=use("gru")).build(SITE)
    close(module.scales, torch.full((2, C), 0.5))
