"""Checkpoints of a model that several processes may hold: the first of them reads and writes the run's files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from partwise.runs import Checkpoint, OptimizerState, Run
from partwise.training import Processes

from .parallel import Parallel


def restore(run: Run, parallel: Parallel, processes: Processes) -> tuple[int, Mapping[str, Any]]:
    """Restores the newest good checkpoint in all processes; returns its step (0: there is none) and its `extra`.

    Raises:
        WorkError: there are checkpoints and none is good.
    """
    found: list[Checkpoint] = []

    def use(saved: Checkpoint) -> None:
        parallel.fill(saved.model, saved.optimizer, saved.source)
        found[:] = [saved]

    step, extra = 0, dict[str, Any]()
    if processes.first:
        checkpoint = run.restore(use)
        step, extra = checkpoint.step, dict(checkpoint.extra)
    step, extra = processes.from_first((step, extra))
    if step and processes.count > 1:
        saved = found[0] if found else None
        weights = _sent(saved.model if saved else {}, processes)
        tensors = _sent(saved.optimizer.tensors if saved else {}, processes)
        numbers = processes.from_first(saved.optimizer.numbers if saved else {})
        if not processes.first:
            parallel.fill(weights, OptimizerState(tensors, numbers), run.directory)
    return step, extra


def save(
    run: Run,
    parallel: Parallel,
    processes: Processes,
    step: int,
    extra: Mapping[str, Any],
    keep: int,
    valid_loss: float | None,
) -> None:
    """Saves all that training needs to continue after update `step`, and the weights that were evaluated.

    Raises:
        WorkError: it could not be written.
    """
    with parallel.evaluating():
        weights, state = parallel.whole()
        if processes.first:
            run.write_checkpoint(step, weights, state, extra, keep, valid_loss)


def _sent(tensors: Mapping[str, Tensor], processes: Processes) -> dict[str, Tensor]:
    """The first process's tensors, sent to all."""
    import torch.distributed as dist

    layout = processes.from_first([(name, one.shape, one.dtype) for name, one in tensors.items()])
    received = {}
    for name, shape, dtype in layout:
        one = tensors[name].contiguous() if processes.first else torch.empty(shape, dtype=dtype)
        dist.broadcast(one, 0)
        received[name] = one
    return received
