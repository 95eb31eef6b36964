"""Mamba-2's mixer against its equations, one position after the other, and against transformers'."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import Mamba2Config
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

from partwise import PartError
from partwise.modules import causal_flow
from partwise.parts import LayerSite
from partwise_state_space import duality
from partwise_state_space.mamba2 import Mamba2 as Module
from partwise_state_space.parts import Mamba2

from ..read_once import agrees_with

WIDTH = 8
SITE = LayerSite(width=WIDTH)
EXAMPLES = [
    Mamba2(state=5, head_width=16),
    Mamba2(state=3, head_width=4, groups=2, kernel=2, bias=True, eps=0.1, least_step=0.01, most_step=0.5),
]


def silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def loop(module: Module, text: Tensor) -> Tensor:
    """The equations of the paper, head by head, for one text [T, C]."""
    shape = module.shape
    D, N, P = shape.features, shape.state, shape.head_width
    taps, heads = module.convolution.weight[:, 0], D // P
    A = -torch.exp(module.A_log)
    h, seen, outputs = torch.zeros(heads, N, P).double(), [], []
    for u in text:
        z, mixed, d = module.input(u).split([D, D + 2 * shape.groups * N, heads])
        seen.append(mixed)
        mixed = module.convolution.bias + sum(
            taps[:, -1 - k] * seen[-1 - k] for k in range(min(taps.shape[1], len(seen)))
        )
        x, b, c = silu(mixed).split([D, shape.groups * N, shape.groups * N])
        dt = torch.log1p(torch.exp(d + module.step_bias))
        y = torch.zeros(D).double()
        for head in range(heads):
            features = slice(head * P, (head + 1) * P)
            group = head // (heads // shape.groups)
            vectors = slice(group * N, (group + 1) * N)
            h[head] = torch.exp(dt[head] * A[head]) * h[head] + dt[head] * torch.outer(b[vectors], x[features])
            y[features] = c[vectors] @ h[head] + module.D[head] * x[features]
        y = y * silu(z)
        for part in y.chunk(shape.groups):
            part /= torch.sqrt(part.square().mean() + module.norm.eps)
        outputs.append(module.output(y * module.norm.weight))
    return torch.stack(outputs)


@pytest.mark.parametrize("piece", [64, 4, 1])
@pytest.mark.parametrize("part", EXAMPLES, ids=["one head", "groups"])
def test_it_follows_its_equations_however_a_text_is_given(
    part: Mamba2, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duality, "_PIECE", piece)
    agrees_with(loop, part.assemble(SITE), WIDTH)


def test_it_equals_transformers_mamba2_on_the_same_weights() -> None:
    config = Mamba2Config(
        hidden_size=WIDTH, num_heads=4, head_dim=4, n_groups=2, state_size=3, expand=2, conv_kernel=3, chunk_size=16
    )
    theirs = Mamba2Mixer(config, 0).eval()
    ours = Mamba2(state=3, head_width=4, groups=2, kernel=3).assemble(SITE).eval()
    names = {"in_proj": "input", "conv1d": "convolution", "out_proj": "output", "dt_bias": "step_bias"}
    weights = {}
    for name, weight in theirs.state_dict().items():
        place, _, rest = name.partition(".")
        weights[".".join(filter(None, (names.get(place, place), rest)))] = weight
    ours.load_state_dict(weights)
    x = torch.randn(2, 150, WIDTH)
    torch.testing.assert_close(ours(x, causal_flow(150)), theirs(x), atol=1e-5, rtol=1e-4)


def test_steps_rates_and_the_skip_begin_as_in_the_authors_code() -> None:
    module = Mamba2(least_step=0.01, most_step=0.2, head_width=1).assemble(LayerSite(width=64))
    steps = torch.nn.functional.softplus(module.step_bias)
    assert steps.min() >= 0.01 - 1e-6
    assert steps.max() <= 0.2 + 1e-6
    rates = module.A_log.exp()
    assert rates.min() >= 1
    assert rates.max() <= 16
    assert abs(rates.mean() - 8.5) < 4 * rates.std() / len(rates) ** 0.5
    assert (module.D == 1).all()


def test_strong_decay_within_a_piece_gives_neither_infinity_nor_nan() -> None:
    module = Mamba2(head_width=4, state=3).assemble(SITE)
    with torch.no_grad():
        module.A_log.fill_(20.0)
        module.step_bias.fill_(20.0)
    y = module(torch.randn(1, 130, WIDTH), causal_flow(130))
    y.sum().backward()
    assert y.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in module.parameters())


def test_the_memory_is_kept_in_float32_even_in_half_precision() -> None:
    module = Mamba2(head_width=4, state=3, groups=2).assemble(SITE)
    state = module.empty_state(2, 100, torch.zeros(1, dtype=torch.bfloat16))
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()} == {
        "inputs": ((2, 3, 16 + 2 * 2 * 3), torch.bfloat16),
        "state": ((2, 2, 3, 2, 4), torch.float32),
    }


@pytest.mark.parametrize(
    ("knobs", "site", "message"),
    [
        ({}, LayerSite(width=8, memory_width=6).over_memory(), "cannot read an encoder's states"),
        ({"head_width": 5}, SITE, "head_width 5 does not divide the 16 features"),
        ({"head_width": 4, "groups": 3}, SITE, "groups 3 does not divide the 4 heads"),
        ({"expand": 1.3}, SITE, "no whole number of features"),
    ],
)
def test_what_does_not_fit_is_refused(knobs: dict[str, float], site: LayerSite, message: str) -> None:
    with pytest.raises(PartError, match=message):
        Mamba2(**knobs).assemble(site)


def test_documents_that_fade_fast_have_finite_gradients() -> None:
    """What a document forgets before its end grows beyond all numbers if it is seen from the one behind it."""
    torch.manual_seed(0)
    rates = (-20 * torch.rand(1, 64, 1, 2)).requires_grad_()
    begins = (torch.arange(64) == 60)[None]
    x, write, read = torch.randn(1, 64, 1, 2, 4), torch.randn(1, 64, 1, 3), torch.randn(1, 64, 1, 3)
    y, last = duality.state_space_dual(duality.Heads(x, rates, write, read, begins), None)
    (gradient,) = torch.autograd.grad(y.sum() + last.sum(), rates)
    alone = duality.Heads(x[:, 60:], rates[:, 60:], write[:, 60:], read[:, 60:], None)
    expected, its_last = duality.state_space_dual(alone, None)
    (of_it,) = torch.autograd.grad(expected.sum() + its_last.sum(), rates)
    torch.testing.assert_close(y[:, 60:], expected)
    torch.testing.assert_close(last, its_last)
    assert gradient.isfinite().all()
    torch.testing.assert_close(gradient[:, 60:], of_it[:, 60:])
