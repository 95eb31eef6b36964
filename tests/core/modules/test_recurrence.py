"""The linear recurrence against a loop, its gradient, and PyTorch's tools on it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from partwise.modules import linear_recurrence

Given = tuple[Tensor, Tensor, Tensor]


def loop(a: Tensor, b: Tensor, initial: Tensor | None) -> Tensor:
    h, states = torch.zeros_like(b[:, 0]) if initial is None else initial, []
    for t in range(b.shape[1]):
        h = a[:, t] * h + b[:, t]
        states.append(h)
    return torch.stack(states, 1)


def drawn(length: int, *features: int, rows: int = 2) -> Given:
    """a, b and a first state in float64; some a are 0, as where a document begins."""
    a, b = torch.rand(rows, length, *features).double(), torch.randn(rows, length, *features).double()
    a[0, length // 2] = 0.0
    return a, b, torch.randn(rows, *features).double()


# The last has more features than are read in pieces.
every_size = pytest.mark.parametrize(
    ("length", "features"),
    [(1, (3,)), (2, (3,)), (31, (3,)), (64, (3,)), (65, (2, 3)), (100, (3,)), (130, ()), (70, (2100,))],
    ids=str,
)
with_and_without = pytest.mark.parametrize("begun", [False, True], ids=["from zeros", "from a state"])


@every_size
@with_and_without
def test_it_equals_a_loop(length: int, features: tuple[int, ...], begun: bool) -> None:
    a, b, initial = drawn(length, *features)
    h = linear_recurrence(a, b, initial if begun else None)
    torch.testing.assert_close(h, loop(a, b, initial if begun else None), atol=1e-12, rtol=0)


@every_size
@with_and_without
def test_its_gradient_is_that_of_the_loop(length: int, features: tuple[int, ...], begun: bool) -> None:
    given = [x.requires_grad_() for x in drawn(length, *features)][: 3 if begun else 2]
    weights = torch.randn(given[1].shape).double()
    gradients = []
    for form in (linear_recurrence, loop):
        h = form(*given, *(() if begun else (None,)))
        gradients.append(torch.autograd.grad((h * weights).sum(), given))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-11, rtol=0)


def test_it_has_a_second_derivative() -> None:
    given = [x.requires_grad_() for x in drawn(66, 2, rows=1)]
    assert torch.autograd.gradgradcheck(linear_recurrence, given, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_it_computes_in_float32_at_least(dtype: torch.dtype) -> None:
    a, b, initial = (x.to(dtype) for x in drawn(70, 3))
    with torch.autocast("cpu", torch.bfloat16):
        h = linear_recurrence(a, b, initial)
    assert h.dtype == torch.float32
    torch.testing.assert_close(h, loop(a.float(), b.float(), initial.float()))


def test_a_long_memory_is_exact() -> None:
    h = linear_recurrence(torch.ones(1, 5000, 1), torch.ones(1, 5000, 1))
    assert torch.equal(h[0, :, 0], torch.arange(1.0, 5001.0))


def test_strong_decay_neither_overflows_nor_gives_nan() -> None:
    a = torch.full((1, 500, 3), 1e-30).requires_grad_()
    h = linear_recurrence(a, torch.ones(1, 500, 3))
    h.sum().backward()
    assert torch.equal(h, torch.ones(1, 500, 3))
    assert a.grad.isfinite().all()


def test_any_layout_in_memory_will_do() -> None:
    a, b, initial = drawn(70, 4, 3)
    turned = [x.transpose(-1, -2).contiguous().transpose(-1, -2) for x in (a, b, initial)]
    torch.testing.assert_close(linear_recurrence(*turned), loop(a, b, initial), atol=1e-12, rtol=0)


def test_it_compiles_to_one_graph_for_every_length() -> None:
    graphs = []

    def count(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(linear_recurrence, fullgraph=True, backend=count)
    for length in (40, 70, 200, 9):
        given = drawn(length, 3)
        torch.testing.assert_close(compiled(*given), loop(*given), atol=1e-12, rtol=0)
    assert len(graphs) == 2


def test_it_can_be_mapped() -> None:
    given = [torch.stack((x, y)) for x, y in zip(drawn(70, 3), drawn(70, 3), strict=True)]
    mapped = torch.func.vmap(linear_recurrence, (0, None, 0))(given[0], given[1][0], given[2])
    for index in range(2):
        expected = loop(given[0][index], given[1][0], given[2][index])
        torch.testing.assert_close(mapped[index], expected, atol=1e-12, rtol=0)


def test_torch_finds_the_operator_sound() -> None:
    given = [x.float().requires_grad_() for x in drawn(66, 2)]
    torch.library.opcheck(torch.ops.partwise.linear_recurrence.default, (*given, False))
    torch.library.opcheck(torch.ops.partwise.linear_recurrence.default, (*given[:2], None, True))
