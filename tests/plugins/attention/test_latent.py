"""Latent attention equals Hugging Face's DeepSeek-V3 on the same weights, and its absorbed form the plain one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from transformers.models.deepseek_v3.modeling_deepseek_v3 import (
    DeepseekV3Attention,
    DeepseekV3Config,
    DeepseekV3RotaryEmbedding,
)

from partwise import PartError, use
from partwise.assembly import inspect_model
from partwise.modules import Flow, causal_flow
from partwise.parts import LayerSite, ModelPart, ModelSite, SharedPosition, resolve_part
from partwise_attention.latent import LatentAttention
from partwise_attention.parts import Latent

B, T, C, H = 2, 7, 32, 4
SITE = LayerSite(width=C, context=T)
CROSS = replace(SITE, memory_width=6).over_memory()
WIDTHS = {"heads": H, "kv_rank": 10, "head_width": 8, "rope_width": 4, "value_width": 6}
LEFT = torch.tensor([[False, False, True, True, True, True, True], [True] * 7])
PACKED = torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 2, 2]])


def built(site: LayerSite = SITE, **knobs: object) -> LatentAttention:
    """An attention with weights that matter."""
    module = Latent.model_validate({**WIDTHS, **knobs}).build(site).eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module


@pytest.mark.parametrize(("scale", "expected"), [(None, 12**-0.5 / 4), (0.2, 0.05)])
def test_it_takes_the_factor_of_a_parametrisation(scale: float | None, expected: float) -> None:
    assert built(replace(SITE, score_factor=0.25), scale=scale).score.scale == pytest.approx(expected)


@pytest.mark.parametrize("query_rank", [None, 12])
@pytest.mark.parametrize("interleaved", [True, False])
@torch.no_grad()
def test_it_equals_deepseek_v3(query_rank: int | None, interleaved: bool) -> None:
    config = DeepseekV3Config(
        hidden_size=C,
        num_attention_heads=H,
        num_key_value_heads=H,
        q_lora_rank=query_rank,
        kv_lora_rank=10,
        qk_nope_head_dim=8,
        qk_rope_head_dim=4,
        v_head_dim=6,
        rope_interleave=interleaved,
        attn_implementation="eager",
    )
    theirs = DeepseekV3Attention(config, 0).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.4)
    rope = {"use": "rope", "layout": "interleaved" if interleaved else "half"}
    ours = built(query_rank=query_rank, position=rope)
    names = {
        "kv_a_proj_with_mqa.weight": "down.linear.weight",
        "kv_a_layernorm.weight": "norm.weight",
        "kv_b_proj.weight": "up.weight",
        "o_proj.weight": "output.weight",
        "q_proj.weight": "query.weight",
        "q_a_proj.weight": "query_down.weight",
        "q_a_layernorm.weight": "query_norm.weight",
        "q_b_proj.weight": "query.weight",
    }
    ours.load_state_dict({names[name]: weight for name, weight in theirs.state_dict().items()})
    x = torch.randn(B, T, C)
    angles = DeepseekV3RotaryEmbedding(config)(x, torch.arange(T)[None])
    expected, _ = theirs(x, angles, torch.full((T, T), -torch.inf).triu(1).expand(B, 1, T, T))
    torch.testing.assert_close(ours(x, causal_flow(T)), expected, rtol=1e-4, atol=1e-5)


PASSES = {
    "plain": ({}, SITE, {}),
    "rope": ({"position": "rope", "query_rank": 5}, SITE, {}),
    "alibi": ({"position": "alibi"}, SITE, {}),
    "window": ({"window": 3, "position": "rope"}, SITE, {}),
    "sinks": ({"weighing": "sinks"}, SITE, {}),
    "sigmoid": ({"weighing": "sigmoid"}, SITE, {}),
    "soft cap": ({"soft_cap": 0.5}, SITE, {}),
    "left padding": ({"position": "rope"}, SITE, {"padding": LEFT}),
    "documents": ({}, SITE, {"documents": PACKED}),
    "cross": ({}, CROSS, {"memory": torch.randn(B, 5, 6)}),
}


@pytest.mark.parametrize("name", PASSES)
@torch.no_grad()
def test_the_form_for_decoding_equals_the_plain_one(name: str) -> None:
    knobs, site, facts = PASSES[name]
    module, x = built(site, **knobs).double(), torch.randn(B, T, C).double()
    facts = {fact: value.double() if value.is_floating_point() else value for fact, value in facts.items()}
    full = module(x, replace(causal_flow(T), **facts))
    state, pieces = module.empty_state(B, 5 if site.reads_memory else T, x), []
    for start, end in ((0, 2), (2, 4), *((t, t + 1) for t in range(4, T))):
        seen = {fact: value if fact == "memory" else value[:, :end] for fact, value in facts.items()}
        pieces.append(module(x[:, start:end], Flow(torch.arange(start, end), start, **seen), state))
    torch.testing.assert_close(torch.cat(pieces, 1), full, rtol=1e-6, atol=1e-7)


@torch.no_grad()
def test_a_decode_step_makes_keys_and_values_of_no_token() -> None:
    module, x = built(position="rope"), torch.randn(B, T, C)
    state, made = module.empty_state(B, T, x), []
    module.up.register_forward_hook(lambda up, inputs, output: made.append(inputs[0].shape[1]))
    module(x[:, :-1], Flow(torch.arange(T - 1)), state)
    module(x[:, -1:], Flow(torch.tensor([T - 1]), T - 1), state)
    assert made == [T - 1]


@pytest.mark.parametrize("name", [name for name in PASSES if name != "sigmoid"])
@torch.no_grad()
def test_all_kernels_give_the_same(name: str) -> None:
    knobs, site, facts = PASSES[name]
    module, x = built(site, **knobs | {"head_width": 16}), torch.randn(B, T, C)

    def by(backend: str) -> Tensor:
        module.weighing = replace(module.weighing, backend=backend)
        return module(x, replace(causal_flow(T), **facts))

    eager = by("eager")
    for backend in ("flex", "auto", *(["sdpa"] if name != "soft cap" else [])):
        torch.testing.assert_close(by(backend), eager, rtol=1e-4, atol=1e-5)


def test_decoding_keeps_one_latent_and_one_key_per_token() -> None:
    layer = {"use": "pre_norm", "mixer": {"use": "latent", **WIDTHS}}
    part = resolve_part(
        ModelPart, {"use": "language_model", "width": C, "context": T, "blocks": [layer] * 3, "position": "rope"}
    )
    assert inspect_model(part, ModelSite(vocabulary=9)).state_bytes_per_token == 3 * (10 + 4) * 4


def test_the_operations_counted_are_those_of_its_products() -> None:
    layer = {"use": "pre_norm", "mixer": {"use": "latent", **WIDTHS}, "feedforward": None}
    part = resolve_part(ModelPart, {"use": "language_model", "width": C, "context": T, "blocks": [layer]})
    counted = inspect_model(part, ModelSite(vocabulary=9)).flops_per_token
    query, down, up, output = C * H * 12, C * 14, 10 * H * 14, H * 6 * C
    assert counted == 2 * (query + down + up + output + T * H * (12 + 6) + C * 9)


@torch.no_grad()
def test_with_full_ranks_and_without_positions_it_is_multi_head_attention() -> None:
    module = built(kv_rank=C, rope_width=0, norm={"use": "rms_norm", "affine": False})
    x = torch.randn(B, T, C)
    latent = module.norm(module.down(x)[0])
    key, value = module.up(latent).unflatten(-1, (H, 14)).transpose(1, 2).split([8, 6], -1)
    query = module.query(x).unflatten(-1, (H, 8)).transpose(1, 2)
    mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    expected = module.output(mixed.transpose(1, 2).flatten(2))
    torch.testing.assert_close(module(x, causal_flow(T)), expected, rtol=1e-4, atol=1e-5)


def test_what_does_not_fit_is_refused_in_plain_words() -> None:
    rope = Latent(heads=H, kv_rank=4, position=use("rope")).position
    with pytest.raises(PartError, match="with rope_width 0 there is nothing for position 'rope' to turn"):
        Latent(heads=H, kv_rank=4, rope_width=0).build(replace(SITE, position=SharedPosition(rope)))
    with pytest.raises(PartError, match="rope_width 3 is odd; set an even rope_width, such as 4"):
        Latent(heads=H, kv_rank=4, rope_width=3, position=use("rope")).build(SITE)
    with pytest.raises(PartError, match="heads 5 does not divide width 32"):
        Latent(heads=5, kv_rank=4).build(SITE)
    with pytest.raises(PartError, match="'flex' needs heads of 16 features or more, and these have 12"):
        Latent.model_validate({**WIDTHS, "backend": "flex"}).build(SITE)
