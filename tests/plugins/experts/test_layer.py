"""The layer of experts, beside transformers' own on the same weights and beside a dense loop."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from partwise import PartError
from partwise.parts import LayerSite
from partwise.testing import numbers
from partwise_experts.grouping import Separate, together

from .tried import DECODER, ENCODER, WIDTH, dense, flow, layer

SMALL = {"use": "swiglu", "hidden": 8}


def stacked(weight: Tensor, count: int) -> Tensor:
    return weight.detach().unflatten(0, (count, -1))


def give(theirs: Any, module: Any) -> None:
    """Gives transformers' experts the weights of ours."""
    experts = module.experts
    pair = torch.cat([stacked(one.weight, module.count) for one in (experts.gate, experts.up)], 1)
    theirs.experts.gate_up_proj.data.copy_(pair)
    theirs.experts.down_proj.data.copy_(stacked(experts.down.weight, module.count))
    theirs.gate.weight.data.copy_(module.router.scores.weight)


def test_it_computes_what_mixtral_does() -> None:
    from transformers.models.mixtral.modeling_mixtral import MixtralConfig, MixtralSparseMoeBlock

    module = layer(expert={"use": "swiglu", "hidden": 24})
    config = MixtralConfig(
        hidden_size=WIDTH, intermediate_size=24, num_local_experts=8, num_experts_per_tok=2, num_attention_heads=2
    )
    config._experts_implementation = "eager"
    theirs = MixtralSparseMoeBlock(config).eval()
    give(theirs, module)
    x = numbers(3, 7, WIDTH)
    torch.testing.assert_close(module(x, flow(7)), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("normalised", [True, False])
def test_it_computes_what_deepseek_v3_does(normalised: bool) -> None:
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Config, DeepseekV3MoE

    router = {"use": "sigmoid", "k": 3, "groups": 4, "kept_groups": 2, "scale": 2.5, "normalised": normalised}
    module = layer(experts=8, router=router, expert=SMALL, shared={"use": "swiglu", "hidden": 16})
    with torch.no_grad():
        module.router.bias.copy_(numbers(8))  # negative ones, too: what is left out must not win by being 0
    config = DeepseekV3Config(
        hidden_size=WIDTH, moe_intermediate_size=8, n_shared_experts=2, n_routed_experts=8, num_local_experts=8,
        num_experts_per_tok=3, n_group=4, topk_group=2, routed_scaling_factor=2.5, norm_topk_prob=normalised,
    )  # fmt: skip
    config._experts_implementation = "eager"
    theirs: Any = DeepseekV3MoE(config).eval()
    give(theirs, module)
    theirs.gate.e_score_correction_bias.copy_(module.router.bias)
    for name in ("gate", "up", "down"):
        getattr(theirs.shared_experts, f"{name}_proj").weight.data.copy_(getattr(module.shared, name).weight)
    x = numbers(3, 7, WIDTH)
    torch.testing.assert_close(module(x, flow(7)), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("site", "knobs"),
    [
        (DECODER, {"experts": 5, "expert": {"use": "gelu", "hidden": 6}, "router": {"use": "top_k", "k": 3}}),
        (DECODER, {"experts": 3, "router": "hash", "shared": "relu"}),
        (ENCODER, {"experts": 3, "router": "expert_choice", "expert": {"use": "swiglu", "bias": True}}),
    ],
)
def test_sparse_and_dense_are_equal_gradients_too(site: LayerSite, knobs: Any) -> None:
    module, x = layer(site, **knobs).double(), numbers(3, 7, WIDTH).double().requires_grad_()
    told = flow(7, torch.arange(21).view(3, 7))
    results = []
    for compute in (lambda: module(x, told), lambda: dense(module, x, told)):
        output = compute()
        weights = numbers(*output.shape, seed=3).double()
        learned = torch.autograd.grad((output * weights).sum(), [x, *module.parameters()], allow_unused=True)
        results.append([output, *(one for one in learned if one is not None)])
    for sparse, other in zip(*results, strict=True):
        torch.testing.assert_close(sparse, other, rtol=1e-9, atol=1e-9)


def test_experts_that_cannot_be_grouped_get_their_rows_one_after_the_other() -> None:
    module, x = layer(experts=3, expert={"use": "gelu", "hidden": 6}), numbers(2, 5, WIDTH)
    grouped = module(x, flow(5))
    names = {"up": nn.Linear(WIDTH, 6), "down": nn.Linear(6, WIDTH)}

    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = (nn.Linear(one.in_features, one.out_features) for one in names.values())

        def forward(self, x: Tensor) -> Tensor:
            return self.down(nn.functional.gelu(self.up(x)))

    apart: Any = together(Alone, 3)
    assert isinstance(apart, Separate)
    with torch.no_grad():
        for index, expert in enumerate(apart.experts):
            for name in names:
                for kind in ("weight", "bias"):
                    whole = getattr(getattr(module.experts, name), kind)
                    getattr(getattr(expert, name), kind).copy_(whole.chunk(3)[index])
    module.experts = apart
    torch.testing.assert_close(module(x, flow(5)), grouped)
    module(x[:1, :1], flow(1)).sum().backward()
    assert all(one.grad is not None for one in apart.parameters()), "processes wait for a gradient of every weight"


def test_first_weights_are_those_of_layers_by_themselves() -> None:
    expert: Any = layer(experts=4, expert={"use": "gelu", "hidden": 256}).experts
    assert expert.up.stacked == [256] * 4
    assert expert.down.stacked == [WIDTH] * 4
    assert expert.down.ends_residual_branch


def test_capacity_drops_what_comes_last_and_only_in_training() -> None:
    module = layer(experts=2, router="hash", expert=SMALL, capacity=0.5)
    told, x = flow(8, torch.full((2, 8), 5)), numbers(2, 8, WIDTH)  # 16 tokens, all for one expert
    whole = module(x, told)
    dropping = module.train()(x, told)
    torch.testing.assert_close(dropping[0, :4], whole[0, :4])  # 0.5 * 16 / 2
    assert not dropping[0, 4:].any()
    assert not dropping[1].any()
    assert told.carried.figures()["experts_dropped"] == pytest.approx(12 / 16)
    module.capacity = 2.0
    torch.testing.assert_close(module(x, told), whole)


def test_padding_takes_no_place_and_is_not_counted() -> None:
    module = layer(experts=2, router="hash", expert=SMALL, capacity=1.0).train()
    ids = torch.tensor([[9, 9, 1, 2, 3, 4]])
    there = torch.tensor([[False, False, True, True, True, True]])
    padded, alone, x = flow(6, ids, there), flow(4, ids[:, 2:]), numbers(1, 6, WIDTH)
    torch.testing.assert_close(module(x, padded)[:, 2:], module(x[:, 2:], alone))
    assert padded.carried.figures() == alone.carried.figures()


def test_load_is_reported() -> None:
    module, told = layer(experts=4, router="hash", expert=SMALL).train(), flow(64, torch.arange(64)[None])
    module(numbers(1, 64, WIDTH), told)
    figures = told.carried.figures()
    chosen = module.router(numbers(1, 64, WIDTH), told).experts.flatten().bincount(minlength=4) / 64
    assert figures["experts_busiest"] == pytest.approx(float(chosen.max()))
    entropy = -(chosen * chosen.log()).sum() / torch.tensor(4.0).log()
    assert figures["experts_entropy"] == pytest.approx(float(entropy))


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"experts": 2, "router": {"use": "top_k", "k": 3}}, "k 3 is more than there are experts, 2"),
        ({"router": {"use": "top_k", "k": 1}}, 'set "softmax": "before", or k 2'),
        ({"router": {"use": "sigmoid", "groups": 3}}, "groups 3 does not divide 8 experts; 1, 2, 4, 8 do"),
        ({"router": {"use": "sigmoid", "groups": 4, "k": 3}}, "k 3 is more than the 2 experts in 1 of 4 groups"),
        (
            {"router": {"use": "sigmoid", "groups": 2, "kept_groups": 3}},
            "kept_groups 3 is more than there are groups, 2",
        ),
        ({"router": "expert_choice"}, "a causal model must not see"),
        ({"expert": "experts"}, "an expert sees some of the tokens only"),
    ],
)
def test_what_does_not_fit_is_refused(knobs: Any, said: str) -> None:
    with pytest.raises(PartError, match=re.escape(said)):
        layer(**knobs)
