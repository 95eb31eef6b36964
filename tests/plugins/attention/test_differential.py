"""Differential attention equals the paper's equations, and Hugging Face's DiffLlama on the same weights."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from transformers.models.diffllama.modeling_diffllama import DiffLlamaAttention, DiffLlamaConfig

from partwise import PartError
from partwise.modules import Flow, causal_flow
from partwise.parts import LayerSite
from partwise_attention.differential import DifferentialAttention
from partwise_attention.parts import Differential

B, T, C, H, D = 2, 6, 24, 2, 6
SITE = LayerSite(width=C, context=T, layer=2, depth=4)
CROSS = replace(SITE, memory_width=5).over_memory()


def built(site: LayerSite = SITE, **knobs: object) -> DifferentialAttention:
    """An attention in float64 with weights that matter."""
    module = Differential.model_validate({"heads": H, **knobs}).build(site).double().eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module


def softmax(scores: list[Tensor]) -> list[Tensor]:
    exponentials = [torch.exp(one) for one in scores]
    return [one / sum(exponentials) for one in exponentials]


@pytest.mark.parametrize(("kv_heads", "window"), [(2, None), (1, 3)])
@torch.no_grad()
def test_it_is_the_difference_of_two_softmaxes_written_out(kv_heads: int, window: int | None) -> None:
    module, x = built(kv_heads=kv_heads, window=window), torch.randn(B, T, C).double()
    queries, keys, values = (part.unflatten(-1, (2, -1, D)) for part in module.project(x))  # [B, T, half, head, D]
    start = 0.8 - 0.6 * math.exp(-0.3 * 2)
    query_1, key_1, query_2, key_2 = module.lambdas
    strength = math.exp(query_1 @ key_1) - math.exp(query_2 @ key_2) + start
    heads = torch.zeros(B, T, H, 2 * D, dtype=torch.float64)
    for b, t, h in product(range(B), range(T), range(H)):
        shared, seen = h * kv_heads // H, range(max(0, t + 1 - (window or T)), t + 1)
        first, second = (
            softmax([queries[b, t, half, h] @ keys[b, s, half, shared] / math.sqrt(D) for s in seen]) for half in (0, 1)
        )
        for one, other, s in zip(first, second, seen, strict=True):
            heads[b, t, h] += (one - strength * other) * torch.cat((values[b, s, 0, shared], values[b, s, 1, shared]))
    normed = heads / (heads.square().mean(-1, keepdim=True) + 1e-6).sqrt() * module.norm.weight
    expected = (normed * (1 - start)).flatten(2) @ module.output.weight.T + module.output.bias
    torch.testing.assert_close(module(x, causal_flow(T)), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kv_heads", [2, 4])
@torch.no_grad()
def test_it_equals_hugging_faces_diffllama(kv_heads: int) -> None:
    config = DiffLlamaConfig(
        hidden_size=C, num_attention_heads=4, num_key_value_heads=kv_heads, attn_implementation="eager"
    )
    theirs = DiffLlamaAttention(config, layer_idx=2).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.4)
    norm = {"use": "rms_norm", "affine": False, "eps": config.rms_norm_eps}
    ours = built(kv_heads=kv_heads // 2, bias=False, norm=norm).float()
    ours.load_state_dict(
        {
            "project.linear.weight": torch.cat((theirs.q_proj.weight, theirs.k_proj.weight, theirs.v_proj.weight)),
            "output.weight": theirs.o_proj.weight,
            "lambdas": torch.stack((theirs.lambda_q1, theirs.lambda_k1, theirs.lambda_q2, theirs.lambda_k2)),
        }
    )
    x, still = torch.randn(B, T, C), (torch.ones(1, T, D), torch.zeros(1, T, D))
    expected, _ = theirs(x, still, torch.full((T, T), -torch.inf).triu(1).expand(B, 1, T, T))
    torch.testing.assert_close(ours(x, causal_flow(T)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("knobs", "site"),
    [({}, SITE), ({"window": 3, "position": "alibi"}, SITE), ({"weighing": "sinks"}, SITE), ({"kv_heads": 1}, CROSS)],
)
@torch.no_grad()
def test_all_kernels_give_the_same_and_decoding_goes_on(knobs: dict[str, object], site: LayerSite) -> None:
    module, x = built(site, head_width=32, position=knobs.pop("position", None), **knobs).float(), torch.randn(B, T, C)
    memory = torch.randn(B, 4, 5) if site.reads_memory else None

    def by(backend: str) -> Tensor:
        module.weighing = replace(module.weighing, backend=backend)
        return module(x, replace(causal_flow(T), memory=memory))

    eager = by("eager")
    for backend in ("sdpa", "flex", "auto"):
        torch.testing.assert_close(by(backend), eager, rtol=1e-4, atol=1e-5)
    state = module.empty_state(B, 4 if site.reads_memory else T, x)
    pieces = [
        module(x[:, start:end], Flow(torch.arange(start, end), start, memory=memory), state)
        for start, end in ((0, 2), (2, 5), (5, 6))
    ]
    torch.testing.assert_close(torch.cat(pieces, 1), eager, rtol=1e-4, atol=1e-5)


def test_the_second_softmax_takes_off_more_in_deeper_layers() -> None:
    starts = [Differential(heads=H).build(replace(SITE, layer=layer)).lambda_init for layer in range(4)]
    assert starts == sorted(starts)
    assert starts[0] == pytest.approx(0.2)


def test_a_head_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(PartError, match="a head of width 3 cannot be divided into two queries"):
        Differential(heads=2, head_width=3).build(SITE)
