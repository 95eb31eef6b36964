"""Mamba's mixer against its equations, one position after the other, and against transformers'."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import MambaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer

from partwise import PartError
from partwise.modules import causal_flow
from partwise.parts import LayerSite
from partwise_state_space.mamba import Mamba as Module
from partwise_state_space.parts import Mamba

from ..read_once import agrees_with

WIDTH = 6
SITE = LayerSite(width=WIDTH)


def loop(module: Module, text: Tensor) -> Tensor:
    """The equations of the paper, with a state h [D, N], for one text [T, C]."""
    D, N = module.A_log.shape
    A, taps = -torch.exp(module.A_log), module.convolution.weight[:, 0]
    h, seen, outputs = torch.zeros(D, N).double(), [], []
    for u in text:
        x, z = module.input(u).split(D)
        seen.append(x)
        x = module.convolution.bias.clone()
        for k in range(min(taps.shape[1], len(seen))):
            x = x + taps[:, -1 - k] * seen[-1 - k]
        x = x * torch.sigmoid(x)
        r, b, c = module.selection(x).split([module.step.weight.shape[1], N, N])
        dt = torch.log1p(torch.exp(module.step.weight @ r + module.step.bias))
        h = torch.exp(dt[:, None] * A) * h + dt[:, None] * b * x[:, None]
        outputs.append(module.output((h @ c + module.D * x) * (z * torch.sigmoid(z))))
    return torch.stack(outputs)


@pytest.mark.parametrize("part", list(Mamba.examples()), ids=["as it is", "every knob"])
def test_it_follows_its_equations_however_a_text_is_given(part: Mamba) -> None:
    agrees_with(loop, part.assemble(SITE), WIDTH)


def test_it_equals_transformers_mamba_on_the_same_weights() -> None:
    config = MambaConfig(
        hidden_size=WIDTH, state_size=4, conv_kernel=3, expand=2, time_step_rank=2, num_hidden_layers=1
    )
    theirs, ours = MambaMixer(config, 0).eval(), Mamba(state=4, kernel=3, step_rank=2).assemble(SITE).eval()
    names = {
        "in_proj": "input",
        "conv1d": "convolution",
        "x_proj": "selection",
        "dt_proj": "step",
        "out_proj": "output",
    }
    weights = {}
    for name, weight in theirs.state_dict().items():
        place, _, rest = name.partition(".")
        weights[f"{names[place]}.{rest}" if rest else place] = weight
    ours.load_state_dict(weights)
    x = torch.randn(2, 40, WIDTH)
    torch.testing.assert_close(ours(x, causal_flow(40)), theirs(x), atol=1e-5, rtol=1e-4)


def test_steps_rates_and_the_skip_begin_as_in_the_paper() -> None:
    module = Mamba(least_step=0.01, most_step=0.2, step_rank=4).assemble(LayerSite(width=64))
    steps = torch.nn.functional.softplus(module.step.bias)
    assert steps.min() >= 0.01 - 1e-6
    assert steps.max() <= 0.2 + 1e-6
    logarithms = steps.log()
    middle = (torch.tensor(0.01).log() + torch.tensor(0.2).log()) / 2
    assert abs(logarithms.mean() - middle) < 4 * logarithms.std() / len(steps) ** 0.5
    assert module.step.weight.abs().max() <= 0.5
    torch.testing.assert_close(module.A_log.exp(), torch.arange(1.0, 17.0).expand(128, -1))
    assert (module.D == 1).all()


def test_the_rank_of_the_steps_is_a_sixteenth_of_the_width_rounded_up() -> None:
    assert Mamba().assemble(LayerSite(width=40)).step.weight.shape == (80, 3)


def test_the_memory_is_kept_in_float32_even_in_half_precision() -> None:
    state = Mamba().assemble(SITE).empty_state(2, 100, torch.zeros(1, dtype=torch.bfloat16))
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()} == {
        "inputs": ((2, 3, 12), torch.bfloat16),
        "state": ((2, 16, 12), torch.float32),
    }


@pytest.mark.parametrize(
    ("knobs", "site", "message"),
    [
        ({}, LayerSite(width=6, memory_width=6).over_memory(), "cannot read an encoder's states"),
        ({"expand": 1.25}, SITE, "no whole number of features"),
        ({"least_step": 0.2}, SITE, "exchange them"),
    ],
)
def test_what_does_not_fit_is_refused(knobs: dict[str, float], site: LayerSite, message: str) -> None:
    with pytest.raises(PartError, match=message):
        Mamba(**knobs).assemble(site)
