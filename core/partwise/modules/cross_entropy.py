"""`LinearHead`: the last step of a model, and its cross-entropy without ever holding all logits of a batch.

Rows of logits do not depend on each other, so they can be made, scored and turned into gradients some rows at a
time, as the kernels of Liger (Hsu et al. 2024) and Cut Cross-Entropy (Wijmans et al. 2024) do. The gradients of a
chunk are computed in the forward pass, while its logits exist. So nothing is computed twice, and what is kept for the
backward pass is one gradient as large as the vectors and one as large as the table.

Shapes: N rows, C width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from partwise.data import IGNORED

MOST_LOGITS = 2**25
"""Number of logits held at once, 128 MiB in float32. A batch with fewer is computed in one piece."""


@dataclass(frozen=True)
class LinearHead:
    """The last step of a model, from hidden states to logits: `scale * (x weight^T + bias)`, and a cap."""

    weight: Tensor
    """[V, C]."""
    bias: Tensor | None = None
    """[V]."""
    cap: float | None = None
    """Bounds logits to (-cap, cap) by cap * tanh(logit / cap)."""
    scale: float = 1.0
    """Factor of the logits, before the cap."""

    def logits(self, x: Tensor) -> Tensor:
        """x [..., C] to [..., V]."""
        return self.bounded(nn.functional.linear(x, self.weight, self.bias))

    def bounded(self, logits: Tensor) -> Tensor:
        """What the linear layer gave, [..., V], with factor and cap applied."""
        if self.scale != 1.0:
            logits = logits * self.scale
        return logits if self.cap is None else self.cap * torch.tanh(logits / self.cap)

    def cross_entropy(self, x: Tensor, targets: Tensor, label_smoothing: float = 0.0, z_loss: float = 0.0) -> Tensor:
        """Cross-entropy in nats of the logits of x [..., C] against targets [...], summed over the scored ones.

        Computed in chunks if the logits would take too much memory: 16 rows of 1024 tokens at a vocabulary of 50,000
        have 3.3 GB of them, and their gradient takes as much again.

        Args:
            label_smoothing: share of each target that is spread evenly over the vocabulary (Szegedy et al. 2016).
            z_loss: weight of the squared log of the softmax's partition, which is added (Chowdhery et al. 2022, PaLM).
        """
        x, targets = x.flatten(0, -2), targets.flatten()
        if len(x) * len(self.weight) > MOST_LOGITS:
            rows = max(1, MOST_LOGITS // len(self.weight))
            return chunked_cross_entropy(self, x, targets, rows, label_smoothing, z_loss)
        logits = self.logits(x)
        loss = nn.functional.cross_entropy(
            logits, targets, ignore_index=IGNORED, reduction="sum", label_smoothing=label_smoothing
        )
        if not z_loss:
            return loss
        partition = logits.to(_summing(logits.dtype)).logsumexp(-1)
        return loss + z_loss * partition.square().where(targets != IGNORED, 0.0).sum()


def chunked_cross_entropy(
    head: LinearHead, x: Tensor, targets: Tensor, rows: int, label_smoothing: float = 0.0, z_loss: float = 0.0
) -> Tensor:
    """`head.cross_entropy` of x [N, C] against targets [N], in chunks of `rows`."""
    if head.scale != 1.0:  # of the input, which is smaller than the logits
        x = x * head.scale
    weight, bias, cap = head.weight, head.bias, head.cap
    if bias is not None and head.scale != 1.0:
        bias = bias * head.scale
    device = x.device.type
    product = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    with torch.autocast(device, enabled=False):
        if torch.is_grad_enabled():
            loss: Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
                x.to(product), weight, bias, cap, targets, rows, label_smoothing, z_loss
            )
            return loss
        weight = weight.to(product)
        chunks = zip(x.to(product).split(rows), targets.split(rows), strict=True)
        pieces = [
            _nats(_logits(some, weight, bias, cap), wanted, label_smoothing, z_loss)[0] for some, wanted in chunks
        ]
        return torch.stack(pieces).sum()


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        cap: float | None,
        targets: Tensor,
        rows: int,
        smoothing: float,
        z_loss: float,
    ) -> Tensor:
        table = weight.to(x.dtype)
        total = torch.zeros((), device=x.device, dtype=_summing(x.dtype))
        grad_x = torch.empty_like(x)
        learns = ctx.needs_input_grad[1]  # a frozen head need not be multiplied once more
        grad_weight = torch.zeros_like(weight, dtype=total.dtype) if learns else None
        grad_bias = None if bias is None else torch.zeros_like(bias, dtype=total.dtype)
        for start in range(0, len(x), rows):
            place = slice(start, start + rows)
            logits = _logits(x[place], table, bias, cap)
            nats, partition, scored, wanted = _nats(logits, targets[place], smoothing, z_loss)
            total += nats
            grad = _gradient(logits, partition, scored, wanted, cap, smoothing, z_loss)
            if grad_bias is not None:
                grad_bias += grad.sum(0)
            grad = grad.to(x.dtype)
            torch.mm(grad, table, out=grad_x[place])
            if grad_weight is not None:
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
            None if grad_weight is None else (grad_weight * grad).to(weight_type),
            None if grad_bias is None else (grad_bias * grad).to(bias_type),
            None,
            None,
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


def _nats(logits: Tensor, targets: Tensor, smoothing: float, z_loss: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The loss summed over the scored rows, the log of each row's partition, which rows are scored, their targets."""
    scored = targets != IGNORED
    wanted = targets.where(scored, 0)[:, None]
    partition = logits.logsumexp(1, keepdim=True)
    nats = (partition - logits.gather(1, wanted))[:, 0]
    if smoothing:
        even = partition[:, 0] - logits.mean(1)
        nats = torch.lerp(nats, even, smoothing)
    if z_loss:
        nats = nats + z_loss * partition[:, 0].square()
    return nats.where(scored, 0.0).sum(), partition, scored, wanted


def _gradient(
    logits: Tensor,
    partition: Tensor,
    scored: Tensor,
    wanted: Tensor,
    cap: float | None,
    smoothing: float,
    z_loss: float,
) -> Tensor:
    """The gradient of the loss with respect to the logits before the cap: softmax, less the target's distribution.

    Overwrites `logits`.
    """
    slope = None if cap is None else 1 - (logits / cap).square_()
    grad = logits.sub_(partition).exp_()
    if z_loss:
        grad.mul_(1 + 2 * z_loss * partition)
    if smoothing:
        grad.sub_(smoothing / grad.shape[1])
    grad.scatter_add_(1, wanted, torch.full_like(partition, smoothing - 1.0))
    grad.masked_fill_(~scored[:, None], 0.0)
    return grad if slope is None else grad.mul_(slope)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left right."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
