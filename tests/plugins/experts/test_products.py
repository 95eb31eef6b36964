"""Grouped products, beside single ones."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from partwise.testing import numbers
from partwise_experts.products import by_kernel, grouped_outer_product, grouped_product, outer_by_kernel

ENDS = torch.tensor([3, 3, 8, 12], dtype=torch.int32)
SPANS = [slice(0, 3), slice(3, 3), slice(3, 8), slice(8, 12)]


def test_each_row_meets_the_matrix_of_its_group() -> None:
    rows, matrices = numbers(12, 8), numbers(4, 16, 8)
    expected = torch.cat([rows[span] @ matrices[group].T for group, span in enumerate(SPANS)])
    torch.testing.assert_close(grouped_product(rows, matrices, ENDS), expected)
    sums = torch.stack([expected[span].T @ rows[span] for span in SPANS])
    torch.testing.assert_close(grouped_outer_product(expected, rows, ENDS), sums)


def test_gradients_are_those_of_what_is_computed_twice_over() -> None:
    rows, matrices = numbers(12, 3).double().requires_grad_(), numbers(4, 2, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: grouped_product(x, w, ENDS), (rows, matrices))
    assert torch.autograd.gradgradcheck(lambda x, w: grouped_product(x, w, ENDS), (rows, matrices))


@pytest.mark.skipif(not hasattr(torch, "_grouped_mm"), reason="this PyTorch has no grouped product of its own")
def test_pytorchs_own_gives_the_same() -> None:
    rows, matrices = numbers(12, 8).bfloat16(), numbers(4, 16, 8).bfloat16()
    product = grouped_product(rows, matrices, ENDS)
    torch.testing.assert_close(by_kernel(rows, matrices, ENDS), product, rtol=0.02, atol=0.02)
    outer = grouped_outer_product(product, rows, ENDS)
    torch.testing.assert_close(outer_by_kernel(product, rows, ENDS), outer, rtol=0.02, atol=0.02)


def test_they_are_counted_by_the_rows_that_there_are() -> None:
    rows, matrices = numbers(12, 8).to("meta"), numbers(4, 16, 8).to("meta").requires_grad_()
    with FlopCounterMode(display=False) as counter:
        grouped_product(rows, matrices, ENDS.to("meta")).sum().backward()
    assert counter.get_total_flops() == 2 * (2 * 12 * 8 * 16)  # forwards, and for the matrices
