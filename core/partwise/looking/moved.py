"""How far weights have come since the first ones, and how far one update takes them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from partwise.data.batch import Batch
from partwise.parts.sites import OptimizerSite
from partwise.runs.layout import WEIGHTS
from partwise.runs.run import Run
from partwise.storage.safetensors import StoredTensors
from partwise.wording import many

from .facts import Moved
from .modules import blocks_of
from .subject import Subject

Weights = Mapping[str, Tensor]


@torch.no_grad()
def since_first(one: Subject, first: nn.Module) -> tuple[tuple[Moved, ...], str]:
    """Of a trained model, beside its first weights; one update is what lies between its two newest checkpoints, divided
    by the updates between them."""
    now, begun = dict(one.module.named_parameters()), dict(first.named_parameters())
    kept = None if one.reopened is None else _newest_two(one.reopened.run)
    if kept is None:
        return tuple(_moved(one.module, now, begun, None)), "The run keeps fewer than two checkpoints to compare."
    (before, early), (after, late) = kept
    note = (
        f"One update: the difference between the checkpoints of updates {early} and {late}, divided by "
        f"{many(late - early, 'update')}, which is less than one update where updates cancel."
    )
    return tuple(_moved(one.module, now, begun, (after, before, late - early))), note


def _newest_two(run: Run) -> tuple[tuple[Weights, int], tuple[Weights, int]] | None:
    steps = [step for step in run.kept if run.is_good(step)][-2:]
    if len(steps) < 2:
        return None
    early, late = ((StoredTensors([run.place_of(step) / WEIGHTS]), step) for step in steps)
    return early, late


def first_update(one: Subject, batch: Batch) -> tuple[tuple[Moved, ...], str]:
    """Of a model that was not trained: one update by the recipe's optimizer on this text, after which it is another.

    Nothing is told of a trainer whose optimizer is not a part of its own.
    """
    part: Any = getattr(one.recipe.trainer, "optimizer", None)
    if part is None or not int(batch.scored):
        return (), ""
    before = {name: weight.detach().clone() for name, weight in one.module.named_parameters()}
    optimizer: Any = part.assemble(OptimizerSite(one.module))
    with torch.enable_grad():
        (one.model.loss(batch) / batch.scored).backward()
    optimizer.step()
    after = dict(one.module.named_parameters())
    note = "One update: the first, by the recipe's optimizer at its full learning rate, on this text alone."
    return tuple(_moved(one.module, before, None, (after, before, 1))), note


def _moved(
    model: nn.Module, now: Weights, begun: Weights | None, updates: tuple[Weights, Weights, int] | None
) -> Iterator[Moved]:
    """For each block, and for what is in none."""
    blocks = blocks_of(model)
    groups: dict[str, list[str]] = {}
    for name in now:
        path = next((path for path in blocks if name.startswith(f"{path}.")), name.rpartition(".")[0])
        groups.setdefault(path, []).append(name)
    for path, names in groups.items():
        size = _length(now[name] for name in names)
        yield Moved(
            path,
            size,
            None if begun is None else _share(_apart(now, begun, names), _length(begun[name] for name in names)),
            None if updates is None else _share(_apart(*updates[:2], names), size * updates[2]),
        )


def _apart(left: Weights, right: Weights, names: list[str]) -> float:
    return _length(left[name].detach().cpu().float() - right[name].detach().cpu().float() for name in names)


def _length(tensors: Iterator[Tensor]) -> float:
    return math.sqrt(math.fsum(float(one.detach().float().square().sum()) for one in tensors))


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
