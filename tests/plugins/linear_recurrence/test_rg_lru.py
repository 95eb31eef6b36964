"""Griffin's recurrent block against its equations, one position after the other, and against transformers'."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from transformers import RecurrentGemmaConfig
from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaRecurrentBlock

from partwise import PartError
from partwise.modules import causal_flow
from partwise.parts import LayerSite
from partwise_linear_recurrence.parts import RgLru
from partwise_linear_recurrence.rg_lru import RgLru as Module

from ..read_once import agrees_with

WIDTH = 8
SITE = LayerSite(width=WIDTH)


def loop(module: Module, text: Tensor) -> Tensor:
    """The equations of the paper, with the gates as whole matrices, for one text [T, C]."""
    taps, features = module.convolution.weight[:, 0], len(module.decay)
    decay_gate, input_gate = (torch.block_diag(*gate.weight).T for gate in (module.decay_gate, module.input_gate))
    h, seen, outputs = torch.zeros(features).double(), [], []
    for t, u in enumerate(text):
        x, y = module.input(u).split(features)
        seen.append(x)
        reached = range(min(taps.shape[1], len(seen)))
        x = module.convolution.bias + sum(taps[:, -1 - k] * seen[-1 - k] for k in reached)
        r = torch.sigmoid(decay_gate @ x + module.decay_gate.bias)
        i = torch.sigmoid(input_gate @ x + module.input_gate.bias)
        a = torch.exp(-torch.log1p(torch.exp(module.decay))) ** (module.memory.strength * r)
        h = a * h + (1 if t == 0 else torch.sqrt(1 - a**2)) * (i * x)
        gelu = 0.5 * y * (1 + torch.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3)))
        outputs.append(module.output(h * gelu))
    return torch.stack(outputs)


@pytest.mark.parametrize(
    "part", [RgLru(blocks=2), RgLru(expand=1.5, blocks=3, kernel=2, strength=2.0)], ids=["blocks", "every knob"]
)
def test_it_follows_its_equations_however_a_text_is_given(part: RgLru) -> None:
    agrees_with(loop, part.assemble(SITE), WIDTH)


def test_it_equals_recurrent_gemmas_block_on_the_same_weights() -> None:
    config = RecurrentGemmaConfig(
        hidden_size=WIDTH, lru_width=WIDTH, num_attention_heads=2, conv1d_width=4, hidden_activation="gelu_pytorch_tanh"
    )
    theirs, ours = RecurrentGemmaRecurrentBlock(config, 0).eval(), RgLru(blocks=2).assemble(SITE).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.copy_(0.3 * torch.randn_like(weight))
    w, weights = theirs.state_dict(), {"decay": theirs.rg_lru.recurrent_param}
    for kind in ("weight", "bias"):
        weights[f"input.{kind}"] = torch.cat((w[f"linear_x.{kind}"], w[f"linear_y.{kind}"]))
        weights[f"convolution.{kind}"], weights[f"output.{kind}"] = w[f"conv_1d.{kind}"], w[f"linear_out.{kind}"]
        for ours_, theirs_ in (("decay_gate", "recurrent_gate"), ("input_gate", "input_gate")):
            weights[f"{ours_}.{kind}"] = w[f"rg_lru.{theirs_}_{kind}"].view_as(ours.get_parameter(f"{ours_}.{kind}"))
    ours.load_state_dict(weights)
    x = torch.randn(2, 70, WIDTH)
    expected, _ = theirs(x, torch.arange(70).expand(2, -1), None, use_cache=False)
    torch.testing.assert_close(ours(x, causal_flow(70)), expected, atol=1e-5, rtol=1e-4)


def test_features_begin_with_memories_between_the_two_bounds() -> None:
    module = RgLru(least_memory=0.5, most_memory=0.8).assemble(LayerSite(width=256))
    shares = torch.exp(-torch.nn.functional.softplus(module.decay))
    assert shares.min() >= 0.5 - 1e-6
    assert shares.max() <= 0.8 + 1e-6
    squares = shares.square()
    assert abs(squares.mean() - (0.25 + 0.64) / 2) < 4 * squares.std() / len(squares) ** 0.5


@pytest.mark.parametrize("decay", [-100.0, -1000.0])
def test_a_memory_that_loses_nothing_has_finite_gradients(decay: float) -> None:
    module = RgLru(blocks=2).assemble(SITE)
    with torch.no_grad():
        module.decay.fill_(decay)
    y = module(torch.randn(1, 20, WIDTH), causal_flow(20))
    y.sum().backward()
    assert y.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in module.parameters())


def test_a_state_holds_the_last_inputs_of_the_convolution_and_one_number_per_feature() -> None:
    state = RgLru(expand=1.5, blocks=3).assemble(SITE).empty_state(2, 100, torch.zeros(1, dtype=torch.bfloat16))
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()} == {
        "inputs": ((2, 3, 12), torch.bfloat16),
        "hidden": ((2, 12), torch.float32),
    }


@pytest.mark.parametrize(
    ("knobs", "site", "message"),
    [
        ({}, LayerSite(width=16, memory_width=6).over_memory(), "cannot read an encoder's states"),
        ({"blocks": 3}, SITE, "blocks 3 does not divide the 8 features"),
        ({"expand": 1.3}, SITE, "no whole number of features"),
        ({"blocks": 2, "least_memory": 0.9, "most_memory": 0.5}, SITE, "exchange them"),
    ],
)
def test_what_does_not_fit_is_refused(knobs: dict[str, float], site: LayerSite, message: str) -> None:
    with pytest.raises(PartError, match=message):
        RgLru(**knobs).assemble(site)
