"""Cross-entropy of an output head, without ever holding all logits of a batch.

Rows of logits do not depend on each other, so they can be made, scored and turned into gradients some rows at a
time, as the kernels of Liger (Hsu et al. 2024) and Cut Cross-Entropy (Wijmans et al. 2024) do. The gradients of a
chunk are computed in the forward pass, while its logits exist. So nothing is computed twice, and what is kept for the
backward pass is one gradient as large as the vectors and one as large as the table.

Shapes: N rows, C width, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from partwise.data import IGNORED

MOST_LOGITS = 2**25
"""Number of logits held at once, 128 MiB in float32. A batch with fewer is computed in one piece."""


def chunked_cross_entropy(
    x: Tensor, weight: Tensor, bias: Tensor | None, cap: float | None, targets: Tensor, rows: int
) -> Tensor:
    """Cross-entropy in nats of the logits `x weight^T + bias` against `targets`, summed over the scored ones: a scalar.

    Args:
        x: [N, C].
        weight: [V, C].
        bias: [V].
        cap: bounds logits to (-cap, cap) by cap * tanh(logit / cap).
        targets: [N].
        rows: of a chunk.
    """
    device = x.device.type
    product = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    with torch.autocast(device, enabled=False):
        if torch.is_grad_enabled():
            loss: Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
                x.to(product), weight, bias, cap, targets, rows
            )
            return loss
        weight = weight.to(product)
        chunks = zip(x.to(product).split(rows), targets.split(rows), strict=True)
        return torch.stack([_nats(_logits(some, weight, bias, cap), wanted)[0] for some, wanted in chunks]).sum()


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, cap: float | None, targets: Tensor, rows: int
    ) -> Tensor:
        table = weight.to(x.dtype)
        total = torch.zeros((), device=x.device, dtype=_summing(x.dtype))
        grad_x = torch.empty_like(x)
        grad_weight = torch.zeros_like(weight, dtype=total.dtype)
        grad_bias = None if bias is None else torch.zeros_like(bias, dtype=total.dtype)
        for start in range(0, len(x), rows):
            place = slice(start, start + rows)
            logits = _logits(x[place], table, bias, cap)
            nats, partition, scored, wanted = _nats(logits, targets[place])
            total += nats
            grad = _gradient(logits, partition, scored, wanted, cap)
            if grad_bias is not None:
                grad_bias += grad.sum(0)
            grad = grad.to(x.dtype)
            torch.mm(grad, table, out=grad_x[place])
            _add_product(grad_weight, grad.t(), x[place])
        ctx.save_for_backward(grad_x, grad_weight, grad_bias)
        ctx.types = (weight.dtype, None if bias is None else bias.dtype)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_x, grad_weight, grad_bias = ctx.saved_tensors
        weight_type, bias_type = ctx.types
        return (
            (grad_x * grad).to(grad_x.dtype),
            (grad_weight * grad).to(weight_type),
            None if grad_bias is None else (grad_bias * grad).to(bias_type),
            None,
            None,
            None,
        )


def _summing(dtype: torch.dtype) -> torch.dtype:
    """The dtype in which logits are scored and gradients are summed."""
    return torch.promote_types(dtype, torch.float32)


def _logits(x: Tensor, weight: Tensor, bias: Tensor | None, cap: float | None) -> Tensor:
    logits = (x @ weight.t()).to(_summing(x.dtype))
    if bias is not None:
        logits += bias
    return logits if cap is None else logits.div_(cap).tanh_().mul_(cap)


def _nats(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The loss summed over the scored rows, the log of each row's partition, which rows are scored, their targets."""
    scored = targets != IGNORED
    wanted = targets.where(scored, 0)[:, None]
    partition = logits.logsumexp(1, keepdim=True)
    nats = (partition - logits.gather(1, wanted))[:, 0].where(scored, 0.0).sum()
    return nats, partition, scored, wanted


def _gradient(logits: Tensor, partition: Tensor, scored: Tensor, wanted: Tensor, cap: float | None) -> Tensor:
    """The gradient of the loss with respect to the logits before the cap: softmax, less one at the target.

    Overwrites `logits`.
    """
    slope = None if cap is None else 1 - (logits / cap).square_()
    grad = logits.sub_(partition).exp_()
    grad.scatter_add_(1, wanted, torch.full_like(partition, -1.0))
    grad.masked_fill_(~scored[:, None], 0.0)
    return grad if slope is None else grad.mul_(slope)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left right."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
