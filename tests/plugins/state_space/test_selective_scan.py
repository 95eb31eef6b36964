"""Mamba's scan against a loop over time, with its gradients, and PyTorch's tools on it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from partwise_state_space.selective_scan import Selection, selective_scan

B, D, N = 2, 5, 3


def drawn(length: int, documents: bool = False) -> tuple[Selection, Tensor]:
    """In float64, with a first state."""

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64).requires_grad_()

    begins = torch.rand(B, length) < 0.2 if documents else None
    dt, rates = (numbers(*shape).detach().exp().requires_grad_() for shape in ((B, length, D), (N, D)))
    texts = numbers(B, length, D), dt, rates, numbers(B, length, N), numbers(B, length, N)
    return Selection(*texts, begins), numbers(B, N, D)


def negative(selection: Selection) -> Selection:
    return selection._replace(rates=-selection.rates)


def loop(selection: Selection, initial: Tensor | None) -> tuple[Tensor, Tensor]:
    x, dt, rates, write, read, begins = selection
    h, outputs = torch.zeros(B, N, D).double() if initial is None else initial, []
    for t in range(x.shape[1]):
        if begins is not None:
            h = torch.where(begins[:, t, None, None], 0.0, h)
        h = torch.exp(dt[:, t, None] * rates) * h + dt[:, t, None] * write[:, t, :, None] * x[:, t, None]
        outputs.append((read[:, t, :, None] * h).sum(1))
    return torch.stack(outputs, 1), h


@pytest.mark.parametrize("length", [1, 2, 16, 17, 50])
@pytest.mark.parametrize("documents", [False, True], ids=["", "packed"])
@pytest.mark.parametrize("begun", [False, True], ids=["from zeros", "from a state"])
def test_it_and_its_gradients_equal_those_of_a_loop(length: int, documents: bool, begun: bool) -> None:
    selection, initial = drawn(length, documents)
    given = [*selection[:5], initial][: 6 if begun else 5]
    weights = torch.randn(B, length, D).double(), torch.randn(B, N, D).double()
    results = []
    for form in (selective_scan, loop):
        y, last = form(negative(selection), initial if begun else None)
        total = (y * weights[0]).sum() + (last * weights[1]).sum()
        gradients = torch.autograd.grad(total, given, allow_unused=True)
        results.append([y, last, *(torch.zeros(()) if one is None else one for one in gradients)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs.to(ours.dtype).expand_as(ours), atol=1e-9, rtol=1e-9)


def test_it_computes_in_float32_at_least() -> None:
    selection, _ = drawn(40)
    half = Selection(*(one.detach().bfloat16() for one in negative(selection)[:5]), None)
    y, last = selective_scan(half, None)
    assert y.dtype == last.dtype == torch.float32
    exact = loop(Selection(*(one.double() for one in half[:5]), None), None)
    torch.testing.assert_close(y.double(), exact[0], atol=1e-4, rtol=1e-4)


def test_the_strongest_decay_gives_neither_infinity_nor_nan() -> None:
    selection, _ = drawn(40)
    strong = negative(selection)._replace(rates=-1e6 * selection.rates)
    y, _ = selective_scan(strong, None)
    y.sum().backward()
    assert y.isfinite().all()
    assert all(one.grad.isfinite().all() for one in selection[:5])


def test_torch_finds_the_operators_sound() -> None:
    selection, initial = drawn(20, documents=True)
    given = [*(one.detach().float().requires_grad_() for one in negative(selection)[:5]), selection.begins]
    initial = initial.detach().float().requires_grad_()
    torch.library.opcheck(torch.ops.partwise.selective_scan.default, (*given, initial))
    plain = [one.detach() for one in given]
    y, states = torch.ops.partwise.selective_scan.default(*plain, initial.detach())
    torch.library.opcheck(torch.ops.partwise.selective_scan_gradient.default, (*plain, states, y, states[:, 0]))
