"""minGRU and minLSTM against their equations, position by position, and against the paper's form in logarithms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from partwise import PartError
from partwise.modules import causal_flow
from partwise.parts import LayerSite
from partwise_linear_recurrence.minimal import Minimal
from partwise_linear_recurrence.parts import MinGru, MinLstm

from ..read_once import agrees_with

WIDTH = 6
SITE = LayerSite(width=WIDTH)
PARTS = [
    kind(expand=expand, positive=positive)
    for kind in (MinGru, MinLstm)
    for expand, positive in ((1, True), (1.5, False))
]
every_part = pytest.mark.parametrize(
    "part", PARTS, ids=lambda part: f"{part.name} {'' if part.positive else 'wide, signed'}"
)


def loop(module: Minimal, text: Tensor) -> Tensor:
    """The equations of the paper for one text [T, C]."""
    h, outputs = torch.zeros(module.bias.shape[1]).double(), []
    for x in text:
        *gates, n = (module.input.weight @ x + module.bias.flatten()).split(module.bias.shape[1])
        gates = [torch.sigmoid(gate) for gate in gates]
        if module.positive:
            n = torch.stack([value + 0.5 if value >= 0 else torch.sigmoid(value) for value in n])
        if len(gates) == 1:
            h = (1 - gates[0]) * h + gates[0] * n
        else:
            f, i = gates
            h = f / (f + i) * h + i / (f + i) * n
        outputs.append(h if module.output is None else module.output.weight @ h)
    return torch.stack(outputs)


@every_part
def test_it_follows_its_equations_however_a_text_is_given(part: MinGru | MinLstm) -> None:
    agrees_with(loop, part.assemble(SITE), WIDTH)


@pytest.mark.parametrize("kind", [MinGru, MinLstm])
def test_it_equals_the_papers_scan_in_logarithms(kind: type[MinGru | MinLstm]) -> None:
    """Algorithms 6 and 8 of the paper, over cumulative sums of logarithms."""
    module = kind().assemble(SITE).double()
    x = torch.randn(2, 50, WIDTH, dtype=torch.float64)
    *gates, n = (module.input(x).unflatten(-1, (-1, WIDTH)) + module.bias).unbind(-2)
    softplus = torch.nn.functional.softplus
    if len(gates) == 1:
        keep, take = -softplus(gates[0]), -softplus(-gates[0])
    else:
        difference = softplus(-gates[0]) - softplus(-gates[1])
        keep, take = -softplus(difference), -softplus(-difference)
    candidate = torch.where(n >= 0, torch.log(n.clamp_min(0) + 0.5), -softplus(-n))
    kept = keep.cumsum(1)
    expected = torch.exp(kept + torch.logcumsumexp(take + candidate - kept, 1))
    torch.testing.assert_close(module(x, causal_flow(50)), expected, atol=1e-9, rtol=1e-9)


@every_part
def test_gates_that_are_shut_or_open_give_neither_infinity_nor_nan(part: MinGru | MinLstm) -> None:
    module = part.assemble(SITE)
    x = 1e4 * torch.randn(1, 60, WIDTH)
    y = module(x, causal_flow(60))
    y.sum().backward()
    assert y.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in module.parameters())


def test_the_forget_gates_begin_with_the_bias_asked_for() -> None:
    assert MinLstm(forget_bias=2.0).assemble(SITE).bias.tolist() == [[2.0] * WIDTH, [0.0] * WIDTH, [0.0] * WIDTH]


def test_only_a_wider_state_has_a_projection_behind_it() -> None:
    assert MinGru().assemble(SITE).output is None
    assert MinGru(expand=2).assemble(SITE).output.weight.shape == (WIDTH, 2 * WIDTH)


@pytest.mark.parametrize("kind", [MinGru, MinLstm])
def test_the_state_is_one_number_per_feature_in_float32_at_least(kind: type[MinGru | MinLstm]) -> None:
    state = kind(expand=2).assemble(SITE).empty_state(3, 100, torch.zeros(1, dtype=torch.bfloat16))
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()} == {
        "hidden": ((3, 2 * WIDTH), torch.float32)
    }


@pytest.mark.parametrize("kind", [MinGru, MinLstm])
@pytest.mark.parametrize(
    ("knobs", "site", "message"),
    [
        ({}, LayerSite(width=6, memory_width=6).over_memory(), "cannot read an encoder's states"),
        ({"expand": 1.3}, SITE, "no whole number of features"),
        ({"expand": 0.01}, SITE, "no whole number of features"),
    ],
)
def test_what_does_not_fit_is_refused(
    kind: type[MinGru | MinLstm], knobs: dict[str, float], site: LayerSite, message: str
) -> None:
    with pytest.raises(PartError, match=message):
        kind(**knobs).assemble(site)
