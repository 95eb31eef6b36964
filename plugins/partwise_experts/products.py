"""Products of rows with the matrix of the group that each is in: what makes a sparse mixture of experts fast.

As operators of their own they are opaque to the compiler and to export, which could not follow a loop over groups of
sizes that depend on the data; `inspect` counts them by their shapes. On a GPU that has it, PyTorch's grouped product
computes them in bfloat16; elsewhere a loop over the groups does.

Shapes: M rows that lie sorted by group, G groups, I features in, O features out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

_KERNEL: Any = getattr(torch, "_grouped_mm", None)


@torch.library.custom_op("partwise::grouped_product", mutates_args=())
def grouped_product(rows: Tensor, matrices: Tensor, ends: Tensor) -> Tensor:
    """[M, O], each of the rows [M, I] times the transpose of its group's matrix, [G, O, I].

    The rows of group g end at `ends[g]`, [G] int32; the last of them is M.
    """
    if _has_kernel(rows, matrices):
        return by_kernel(rows, matrices, ends)
    result = rows.new_empty(rows.shape[0], matrices.shape[1])
    for group, span in _spans(ends):
        torch.mm(rows[span], matrices[group].T, out=result[span])
    return result


@torch.library.custom_op("partwise::grouped_outer_product", mutates_args=())
def grouped_outer_product(left: Tensor, right: Tensor, ends: Tensor) -> Tensor:
    """[G, O, I], for each group the sum over its rows of `left` [M, O] times `right` [M, I]."""
    if _has_kernel(left, right):
        return outer_by_kernel(left, right, ends)
    result = left.new_empty(ends.shape[0], left.shape[1], right.shape[1])
    for group, span in _spans(ends):
        torch.mm(left[span].T, right[span], out=result[group])  # of no rows: zeros
    return result


def by_kernel(rows: Tensor, matrices: Tensor, ends: Tensor) -> Tensor:
    """`grouped_product` by PyTorch's own."""
    result: Tensor = _KERNEL(rows.contiguous(), matrices.transpose(1, 2), offs=ends)
    return result


def outer_by_kernel(left: Tensor, right: Tensor, ends: Tensor) -> Tensor:
    """`grouped_outer_product` by PyTorch's own."""
    result: Tensor = _KERNEL(left.contiguous().T, right.contiguous(), offs=ends)
    return result


def _has_kernel(*tensors: Tensor) -> bool:
    """Whether PyTorch's grouped product computes these: bfloat16, rows of multiples of 16 bytes, Hopper or later."""
    if _KERNEL is None or not all(one.is_cuda and one.dtype == torch.bfloat16 for one in tensors):
        return False
    aligned = all(size % 8 == 0 for one in tensors for size in (one.shape[-1], one.shape[-2] if one.ndim == 3 else 8))
    return aligned and torch.cuda.get_device_capability(tensors[0].device) >= (9, 0)


def _spans(ends: Tensor) -> Iterator[tuple[int, slice]]:
    begin = 0
    for group, end in enumerate(ends.tolist()):
        yield group, slice(begin, end)
        begin = end


@grouped_product.register_fake
def _(rows: Tensor, matrices: Tensor, ends: Tensor) -> Tensor:
    return rows.new_empty(rows.shape[0], matrices.shape[1])


@grouped_outer_product.register_fake
def _(left: Tensor, right: Tensor, ends: Tensor) -> Tensor:
    return left.new_empty(ends.shape[0], left.shape[1], right.shape[1])


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _product_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    rows, matrices, ends = ctx.saved_tensors
    needs_rows, needs_matrices, _ = ctx.needs_input_grad
    gradient = gradient.contiguous()
    return (
        grouped_product(gradient, matrices.transpose(1, 2), ends) if needs_rows else None,
        grouped_outer_product(gradient, rows, ends) if needs_matrices else None,
        None,
    )


def _outer_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
    left, right, ends = ctx.saved_tensors
    return grouped_product(right, gradient, ends), grouped_product(left, gradient.transpose(1, 2), ends), None


grouped_product.register_autograd(_product_backward, setup_context=_keep)
grouped_outer_product.register_autograd(_outer_backward, setup_context=_keep)


def _one_by_one(operator: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, int]]:
    """How an operator is mapped over a further dimension: in a loop."""

    def mapped(info: Any, dims: tuple[int | None, ...], *tensors: Tensor) -> tuple[Tensor, int]:
        def at(index: int) -> list[Tensor]:
            return [one if dim is None else one.select(dim, index) for one, dim in zip(tensors, dims, strict=True)]

        return torch.stack([operator(*at(index)) for index in range(info.batch_size)]), 0

    return mapped


grouped_product.register_vmap(_one_by_one(grouped_product))
grouped_outer_product.register_vmap(_one_by_one(grouped_outer_product))


@register_flop_formula(torch.ops.partwise.grouped_product)
def _(rows: Any, matrices: Any, ends: Any, out_shape: Any = None) -> int:
    return 2 * rows[0] * matrices[1] * matrices[2]


@register_flop_formula(torch.ops.partwise.grouped_outer_product)
def _(left: Any, right: Any, ends: Any, out_shape: Any = None) -> int:
    return 2 * left[0] * left[1] * right[1]
