"""Hyena against its equations, its long convolution against a sum, and the shape of its filters."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from partwise import PartError
from partwise.parts import LayerSite
from partwise_convolution import long
from partwise_convolution.hyena import Hyena as Module
from partwise_convolution.parts import Hyena

from ..read_once import agrees_with

WIDTH = 4
SITE = LayerSite(width=WIDTH, context=16)


def summed(z: Tensor, filters: Tensor, segments: Tensor | None) -> Tensor:
    """The long convolution, term by term."""
    length = z.shape[-1]
    rows = []
    for t in range(length):
        terms = [z[..., s] * filters[:, t - s] for s in range(t + 1)]
        if segments is not None:
            terms = [term * (segments[:, s] == segments[:, t])[:, None] for s, term in enumerate(terms)]
        rows.append(sum(terms))
    return torch.stack(rows, -1)


@pytest.mark.parametrize("direct", [1, 8, 32])
@pytest.mark.parametrize("length", [1, 2, 5, 8, 23])
@pytest.mark.parametrize("packed", [False, True], ids=["", "packed"])
def test_the_long_convolution_and_its_gradients_equal_those_of_a_sum(
    length: int, packed: bool, direct: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long, "_DIRECT", direct)
    z, filters = torch.randn(2, 3, length).double(), torch.randn(3, length).double()
    segments = (torch.rand(2, length) < 0.3).cumsum(1) if packed else None
    weights, results = torch.randn(2, 3, length).double(), []
    for form in (long.long_convolution, summed):
        given = [one.clone().requires_grad_() for one in (z, filters)]
        y = form(*given, segments)
        (y * weights).sum().backward()
        results.append((y, *(one.grad for one in given)))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=0)


def test_not_even_rounding_reaches_the_past_or_another_document() -> None:
    z, filters = torch.randn(1, 3, 300), torch.randn(3, 300)
    segments = (torch.arange(300) >= 130).long()[None]
    before = long.long_convolution(z, filters, None), long.long_convolution(z, filters, segments)
    z[..., 129] += 1e6
    after = long.long_convolution(z, filters, None), long.long_convolution(z, filters, segments)
    assert torch.equal(before[0][..., :129], after[0][..., :129])
    changed = (before[1] != after[1]).any(1)[0].nonzero().flatten().tolist()
    assert changed == [129]


def test_torch_finds_the_operators_sound() -> None:
    z, filters = torch.randn(2, 3, 70).requires_grad_(), torch.randn(3, 70).requires_grad_()
    segments = (torch.rand(2, 70) < 0.1).cumsum(1)
    for documents in (None, segments):
        torch.library.opcheck(torch.ops.partwise.long_convolution.default, (z, filters, documents))
        plain = z.detach(), filters.detach(), documents, torch.randn(2, 3, 70)
        torch.library.opcheck(torch.ops.partwise.long_convolution_gradient.default, plain)


def filter_at(module: Module, t: int) -> Tensor:
    """The filters at one distance, [N, C]."""
    filters, shape = module.filters, module.filters.shape
    features = [t / (shape.context - 1)]
    bands = [1e-4 + (shape.bands - 1 - 1e-4) * k / max(1, shape.bands - 1) for k in range(shape.bands)]
    features += [math.cos(2 * math.pi * band * t / shape.context) for band in bands]
    features += [-math.sin(2 * math.pi * band * t / shape.context) for band in bands]
    x = torch.tensor(features, dtype=torch.float64)
    for layer in filters.layers:
        x = torch.sin(layer.frequency * (layer.weight @ x + layer.bias))
    window = torch.exp(-filters.decays * t / (shape.context - 1))
    return (filters.weight @ x).view(filters.count, -1) * window


def loop(module: Module, text: Tensor) -> Tensor:
    """The equations of the paper for one text [T, C]."""
    u, taps = module.input(text), module.convolution.weight[:, 0]
    reached = [range(min(taps.shape[1], t + 1)) for t in range(len(u))]
    mixed = [module.convolution.bias + sum(taps[:, -1 - k] * u[t - k] for k in reached[t]) for t in range(len(u))]
    z, *gates = torch.stack(mixed).chunk(module.order + 1, -1)
    filters = torch.stack([filter_at(module, t) for t in range(len(u))])
    for n, gate in enumerate(gates):
        sums = [sum(filters[t - s, n] * z[s] for s in range(t + 1)) for t in range(len(u))]
        z = gate * (torch.stack(sums) + module.skip[n] * z)
    return module.output(z)


@pytest.mark.parametrize(
    "part",
    [Hyena(filter_width=5, bands=2), Hyena(order=3, kernel=1, filter_layers=1, filter_width=3, bands=1, frequency=2.0)],
    ids=["order 2", "order 3"],
)
def test_it_follows_its_equations_however_a_text_is_given(part: Hyena) -> None:
    agrees_with(loop, part.assemble(SITE), WIDTH)


def test_filters_fade_as_far_as_they_are_told_to_reach() -> None:
    decays = Hyena(short_reach=0.2, long_reach=2.0).assemble(SITE).filters.decays
    torch.testing.assert_close(torch.exp(-decays[-1] * 0.2), torch.tensor(0.01))
    torch.testing.assert_close(torch.exp(-decays[0] * 2.0), torch.tensor(0.01))


def test_the_state_grows_with_the_text() -> None:
    state = Hyena().assemble(SITE).empty_state(2, 100, torch.zeros(1, dtype=torch.bfloat16))
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()} == {
        "inputs": ((2, 2, 3 * WIDTH), torch.bfloat16),
        "long": ((2, 100, 2, WIDTH), torch.bfloat16),
        "filters": ((2, 100, 2, WIDTH), torch.float32),
    }


@pytest.mark.parametrize(
    ("knobs", "site", "message"),
    [
        ({}, LayerSite(width=6, memory_width=6).over_memory(), "cannot read an encoder's states"),
        ({"short_reach": 2.0}, SITE, "exchange them"),
    ],
)
def test_what_does_not_fit_is_refused(knobs: dict[str, float], site: LayerSite, message: str) -> None:
    with pytest.raises(PartError, match=message):
        Hyena(**knobs).assemble(site)
