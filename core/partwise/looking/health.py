"""How large activations and gradients are from layer to layer, at first and now, and what does nothing any more.

Shapes: B = 1 row, T positions, C features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.data.batch import Batch
from partwise.modules.protocols import Model

from .facts import Condition, Depth, Health, Moved, Units
from .modules import blocks_of, hooked, mixers_of
from .moved import first_update, since_first
from .subject import Subject

DEAD = 1e-3
"""Share of the layer's root mean square below which a unit counts as 0."""


def health(one: Subject, batch: Batch, others: tuple[tuple[Subject, Batch], ...] = ()) -> Health:
    """The model now and, if it was trained, with its first weights; and others, with the same text read their way."""
    conditions = [condition(f"{one.name}, now" if one.trained else f"{one.name}, first weights", one.model, batch)]
    moved: tuple[Moved, ...] = ()
    note = ""
    if one.trained and one.recipe.start is None:
        first = one.at_first()
        conditions.append(condition(f"{one.name}, first weights", first, batch))
        moved, note = since_first(one, cast(nn.Module, first))
    for other, read in others:
        state = "now" if other.trained else "first weights"
        conditions.append(condition(f"{other.name}, {state}", other.model, read))
    if not one.trained:
        moved, note = first_update(one, batch)
    return Health(tuple(conditions), moved, note)


def condition(name: str, model: Model, batch: Batch) -> Condition:
    """Activations of a pass over a batch of one row, and gradients of its loss, if it predicts anything."""
    module = cast(nn.Module, model)
    recorder = _Recorder(module)
    loss, gradients = None, dict[int, Tensor]()
    with hooked() as handles, torch.enable_grad():
        handles += recorder.hooks()
        total = model.loss(batch)
        scored = int(batch.scored)
        if scored and total.requires_grad:
            loss = float(total.detach()) / scored
            streams = [stream for _, stream in recorder.streams if stream.requires_grad]
            found = torch.autograd.grad(total / scored, streams) if streams else ()
            gradients = dict(zip(map(id, streams), found, strict=True))
    depths = tuple(recorder.depth(path, stream, gradients.get(id(stream))) for path, stream in recorder.streams)
    return Condition(name, loss, depths, tuple(recorder.units))


class _Recorder:
    """Keeps each block's output and, of what is within it, only numbers."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.streams: list[tuple[str, Tensor]] = []
        self.units: list[Units] = []
        self.branches: dict[str, dict[str, float]] = {}

    def hooks(self) -> Iterator[Any]:
        blocks, mixers = blocks_of(self.model), mixers_of(self.model)
        for path, block in blocks.items():
            yield block.register_forward_hook(self._stream(path))
            for name, child in block.named_children():
                if f"{path}.{name}" in mixers or _transforms(name, child):
                    yield child.register_forward_hook(self._branch(path, name))
        for path, module in self.model.named_modules():
            within = any(path.startswith(f"{mixer}.") for mixer in mixers)
            if isinstance(module, nn.Linear) and getattr(module, "ends_residual_branch", False) and not within:
                yield module.register_forward_pre_hook(self._hidden(path.rpartition(".")[0]))

    def _stream(self, path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Tensor) -> None:
            self.streams.append((path, output))

        return hook

    def _branch(self, path: str, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                self.branches.setdefault(path, {})[name] = _norm(output)

        return hook

    def _hidden(self, path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any) -> None:
            hidden = args[0].detach().flatten(0, -2).float()
            size = float(hidden.square().mean().sqrt())
            dead = (hidden.abs().amax(0) <= DEAD * size).sum()
            self.units.append(Units(path, hidden.shape[-1], int(dead)))

        return hook

    def depth(self, path: str, stream: Tensor, gradient: Tensor | None) -> Depth:
        positions = stream.shape[1]
        size = None if gradient is None else positions * _norm(gradient)
        return Depth(path, _norm(stream), size, _alike(stream), self.branches.get(path, {}))


def _transforms(name: str, child: nn.Module) -> bool:
    """Whether a child of a block is its feed-forward: the one that says so, or that ends a branch."""
    ends = any(getattr(module, "ends_residual_branch", False) for module in child.modules())
    return ends and not callable(getattr(child, "empty_state", None))


def _norm(x: Tensor) -> float:
    return float(x.detach().float().square().mean().sqrt())


def _alike(stream: Tensor) -> float | None:
    """Mean cosine between two different positions: near 1, they have collapsed into one (Dong et al. 2021)."""
    vectors = F.normalize(stream.detach()[0].float().flatten(1), dim=-1)
    T = len(vectors)
    return (float(vectors.sum(0).square().sum()) - T) / (T * (T - 1)) if T > 1 else None
