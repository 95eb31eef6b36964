"""Checkpoints of a model that several processes may hold.

Where each holds all of it, the first of them reads and writes the run's files, and sends the others what they need.
Where each holds a share, each reads and writes its own; the writing goes on beside the training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from partwise.runs import Checkpoint, OptimizerState, Run
from partwise.training import Processes

from .parallel import Parallel, Sharded


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
        if isinstance(parallel, Sharded):
            if not processes.first:
                use(run.read_verified(step))
        else:
            _send(found[0] if found else None, run, parallel, processes)
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
        WorkError: it could not be written; of shares, also the checkpoint before, if that is found out only now.
    """
    settle(parallel)
    with parallel.evaluating():
        weights, state = parallel.state()
        if not isinstance(parallel, Sharded):
            if processes.first:
                run.write_checkpoint(step, weights, state, extra, keep, valid_loss)
        elif not processes.from_first(processes.first and run.has(step)):
            parallel.saving = run.save_shares(step, weights, state, parallel.savers, extra, keep, valid_loss)


def finish(run: Run, parallel: Parallel, processes: Processes) -> None:
    """Writes the final weights, which makes the run finished.

    Raises:
        WorkError: they could not be written, or the last checkpoint could not.
    """
    settle(parallel)
    with parallel.evaluating():
        weights, _ = parallel.state()
        if isinstance(parallel, Sharded):
            run.finish_with_shares(weights, parallel.savers)
        elif processes.first:
            run.finish_with(weights)


def look_after(parallel: Parallel) -> None:
    """Notices early that a checkpoint could not be written.

    Raises:
        WorkError: so it is.
    """
    if isinstance(parallel, Sharded) and parallel.saving is not None and parallel.saving.done:
        settle(parallel)


def settle(parallel: Parallel) -> None:
    """Waits until the checkpoint that is being written is there.

    Raises:
        WorkError: it could not be written; the checkpoints before are intact.
    """
    if isinstance(parallel, Sharded) and parallel.saving is not None:
        saving, parallel.saving = parallel.saving, None
        saving.finish()


def _send(saved: Checkpoint | None, run: Run, parallel: Parallel, processes: Processes) -> None:
    """Fills the model in the other processes with the checkpoint that the first has."""
    weights = _sent(saved.model if saved else {}, processes)
    tensors = _sent(saved.optimizer.tensors if saved else {}, processes)
    numbers = processes.from_first(saved.optimizer.numbers if saved else {})
    if not processes.first:
        parallel.fill(weights, OptimizerState(tensors, numbers), run.directory)


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
