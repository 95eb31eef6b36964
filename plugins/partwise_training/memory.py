"""What to do when the memory does not suffice: how many rows at once would fit, from what one row takes."""

from __future__ import annotations

import re
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.optim import Optimizer

from partwise.data import Batch
from partwise.machine import free_memory
from partwise.wording import size_in_words

from .parallel import Loss

MARGIN = 1.3
"""Memory that a pass takes at its peak, as a multiple of what it keeps for the backward pass."""
MOMENTS = 2
"""Tensors per parameter that an optimizer is assumed to keep, before its first update has shown how many."""


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there is no more memory, of the machine or of its accelerator."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and bool(re.search("out of memory|can't allocate memory", str(error)))


def largest_that_fits(loss: Loss, batch: Batch, model: nn.Module, optimizer: Optimizer) -> tuple[int, str]:
    """Rows, a divisor of those in `batch`, that would fit (0: not even one); and the figures behind it, in words.

    To be called once the failed pass has let go of its memory.
    """
    rows, device = len(batch.tokens), batch.tokens.device
    optimizer.zero_grad()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    free = free_memory(device)
    try:
        one, two = (_kept(loss, _first(batch, count), model) for count in (1, min(2, rows)))
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        return 0, "not even a pass of one row finds room"
    each = max(two - one, 1) if rows > 1 else one
    if free is None:
        return max(_divisors(rows)), ""
    room = free - _still_to_come(model, optimizer)

    def taken(count: int) -> float:
        return MARGIN * (one + each * (count - 1))

    told = f"{rows} rows take about {size_in_words(taken(rows))}, and there is room for {size_in_words(max(room, 0))}"
    return max((count for count in _divisors(rows) if taken(count) <= room), default=0), told


def _divisors(rows: int) -> list[int]:
    """Of `rows`, smaller than it: with as much more accumulation, the updates stay the same."""
    return [count for count in range(1, rows) if rows % count == 0]


def _first(batch: Batch, rows: int) -> Batch:
    return replace(batch, **{name: value[:rows] for name, value in vars(batch).items() if value is not None})


def _kept(loss: Loss, batch: Batch, model: nn.Module) -> int:
    """Bytes that a forward pass keeps for the backward one, besides the weights."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        held = loss(batch)  # held until all is counted, so that no address is used twice
    total = sum(storages.values())
    del held
    return total


def _still_to_come(model: nn.Module, optimizer: Optimizer) -> int:
    """Bytes of the gradients, and of what an optimizer will keep that has made no update yet."""
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters() if weight.requires_grad)
    return weights * (1 if optimizer.state else 1 + MOMENTS)
