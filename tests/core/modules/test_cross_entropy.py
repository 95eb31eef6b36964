"""Cross-entropy in chunks, against that of all logits at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from partwise.data import IGNORED
from partwise.modules import LinearHead
from partwise.modules.cross_entropy import chunked_cross_entropy

N, C, VOCABULARY = 23, 6, 17


def case(bias: bool, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    generator = torch.Generator().manual_seed(3)
    x, weight, offsets = (
        torch.randn(*shape, generator=generator).to(dtype).requires_grad_()
        for shape in ((N, C), (VOCABULARY, C), (VOCABULARY,))
    )
    targets = torch.randint(VOCABULARY, (N,), generator=generator)
    targets[::4] = IGNORED
    return x, weight, offsets if bias else None, targets


def chunked(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    cap: float | None,
    targets: Tensor,
    rows: int,
    smooth: float = 0.0,
    z: float = 0.0,
    scale: float = 1.0,
) -> Tensor:
    return chunked_cross_entropy(LinearHead(weight, bias, cap, scale), x, targets, rows, smooth, z)


def whole(x: Tensor, weight: Tensor, bias: Tensor | None, cap: float | None, targets: Tensor) -> Tensor:
    logits = nn.functional.linear(x, weight, bias)
    if cap is not None:
        logits = cap * torch.tanh(logits / cap)
    return nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")


@pytest.mark.parametrize("rows", [1, 5, 23, 100])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("cap", [None, 1.5])
def test_chunks_have_the_loss_and_the_gradients_of_the_whole(rows: int, bias: bool, cap: float | None) -> None:
    x, weight, offsets, targets = case(bias)
    wanted = [one for one in (x, weight, offsets) if one is not None]
    expected = whole(x, weight, offsets, cap, targets)
    found = chunked(x, weight, offsets, cap, targets, rows)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    for ours, theirs in zip(
        torch.autograd.grad(found / 7, wanted), torch.autograd.grad(expected / 7, wanted), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_in_double_precision_the_gradients_are_those_of_finite_differences() -> None:
    x, weight, offsets, targets = case(bias=True, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x, weight, bias: chunked(x, weight, bias, 2.0, targets, 4), (x, weight, offsets)
    )


@pytest.mark.parametrize("cap", [None, 1.5])
def test_without_gradients_the_loss_is_the_same(cap: float | None) -> None:
    x, weight, offsets, targets = case(bias=True)
    with torch.no_grad():
        found = chunked(x, weight, offsets, cap, targets, 4)
    assert not found.requires_grad
    assert found.item() == pytest.approx(whole(x, weight, offsets, cap, targets).item(), rel=1e-6)


def test_under_autocast_products_are_in_bfloat16_and_sums_in_float32() -> None:
    x, weight, _, targets = case(bias=False)
    exact = whole(x, weight, None, None, targets)
    with torch.autocast("cpu", torch.bfloat16):
        found = chunked(x, weight, None, None, targets, 4)
        expected = whole(x, weight, None, None, targets)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert found.item() != pytest.approx(exact.item(), rel=1e-6), "the products were rounded"
    for ours, theirs in zip(
        torch.autograd.grad(found, [x, weight]), torch.autograd.grad(exact, [x, weight]), strict=True
    ):
        assert ours.dtype == torch.float32
        assert float((ours - theirs).norm() / theirs.norm()) < 0.01


def test_gradients_may_be_taken_twice_and_of_a_multiple() -> None:
    x, weight, _, targets = case(bias=False)
    loss = chunked(x, weight, None, None, targets, 4)
    once = torch.autograd.grad(loss, [x, weight], retain_graph=True)
    thrice = torch.autograd.grad(3 * loss, [x, weight])
    for one, three in zip(once, thrice, strict=True):
        torch.testing.assert_close(3 * one, three)


def test_rows_that_are_not_scored_have_no_gradient_even_where_their_logits_are_infinite() -> None:
    x, weight, _, targets = case(bias=False)
    with torch.no_grad():
        x[0] = 1e38
    assert targets[0] == IGNORED
    loss = chunked(x, weight, None, None, targets, 4)
    assert loss.isfinite()
    assert not torch.autograd.grad(loss, x)[0][0].any()


class Largest:
    """Records the largest tensor that any operation makes."""

    def __init__(self) -> None:
        from torch.utils._python_dispatch import TorchDispatchMode

        largest = self
        self.elements = 0

        class Mode(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                result = func(*args, **(kwargs or {}))
                if isinstance(result, Tensor):
                    largest.elements = max(largest.elements, result.numel())
                return result

        self.watching = Mode()


def test_no_tensor_is_as_large_as_all_logits() -> None:
    x, weight, _, targets = case(bias=False)
    largest = Largest()
    with largest.watching:
        chunked(x, weight, None, None, targets, 2).backward()
    assert largest.elements == N * C
    with largest.watching:
        whole(x, weight, None, None, targets).backward()
    assert largest.elements == N * VOCABULARY


@pytest.mark.parametrize(("smooth", "z"), [(0.1, 0.0), (0.0, 0.02), (0.2, 0.01)])
@pytest.mark.parametrize("cap", [None, 1.5])
def test_smoothing_and_z_loss_are_those_of_the_formulas_in_one_piece_and_in_chunks(
    smooth: float, z: float, cap: float | None
) -> None:
    x, weight, offsets, targets = case(bias=True, dtype=torch.float64)
    assert offsets is not None
    logits = 0.7 * nn.functional.linear(x, weight, offsets)
    if cap is not None:
        logits = cap * torch.tanh(logits / cap)
    scored = targets != IGNORED
    log_partition = logits.logsumexp(-1)[scored]
    share = torch.full((int(scored.sum()), VOCABULARY), smooth / VOCABULARY, dtype=torch.float64)
    share[torch.arange(len(share)), targets[scored]] += 1 - smooth
    expected = -(share * logits.log_softmax(-1)[scored]).sum() + z * log_partition.square().sum()
    wanted = [x, weight, offsets]
    for found in (
        chunked(x, weight, offsets, cap, targets, 4, smooth, z, 0.7),
        LinearHead(weight, offsets, cap, 0.7).cross_entropy(x, targets, smooth, z),
    ):
        torch.testing.assert_close(found, expected)
        for ours, theirs in zip(
            torch.autograd.grad(found, wanted, retain_graph=True),
            torch.autograd.grad(expected, wanted, retain_graph=True),
            strict=True,
        ):
            torch.testing.assert_close(ours, theirs)
