"""How to build a module of each kind and what to put into it, so that checks need not know the kind.

A probe holds float or integer inputs and a function that calls the module on them and gives one tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from partwise import Part
from partwise.assembly import materialise, skeleton
from partwise.flow import IGNORED, Batch, Flow, causal_flow

from .catalogue import MEMORY_WIDTH, VOCABULARY, family

MODULES = ("embedding", "position", "score", "mixer", "feedforward", "norm", "block", "model")
"""Kinds whose parts build an `nn.Module`."""

MEMORY = 5
"""Positions of the memory that probes of cross-attention read."""


@dataclass(frozen=True)
class Probe:
    """Inputs for a module, and the call."""

    inputs: tuple[Tensor, ...]
    call: Callable[..., Tensor]
    """From the module and the inputs to one tensor."""

    def __call__(self, module: nn.Module) -> Tensor:
        return self.call(module, *self.inputs)

    def of(self, change: Callable[[Tensor], Tensor]) -> Probe:
        """The same probe with every float input changed."""
        return replace(self, inputs=tuple(change(x) if x.is_floating_point() else x for x in self.inputs))


def build(part: Part, site: Any, seed: int = 0) -> nn.Module:
    """The part's module as partwise assembles it, in evaluation mode."""
    return materialise(skeleton(part, site), seed).eval()


def shaken(part: Part, site: Any, seed: int = 0) -> nn.Module:
    """`build`, and noise on every weight: zeros and ones of a first initialisation can hide a mistake."""
    module, generator = build(part, site, seed), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module


def numbers(*shape: int, seed: int = 1) -> Tensor:
    """Standard normal numbers, the same each time."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tokens(*shape: int, seed: int = 1) -> Tensor:
    """Token ids, the same each time."""
    return torch.randint(VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


def probe(part: Part, site: Any, rows: int = 3, length: int = 6) -> Probe:
    """Inputs for what the part builds at a site."""
    return _PROBES[family(part)](part, site, rows, length)


def _of_x(part: Part, site: Any, rows: int, length: int) -> Probe:
    return Probe((numbers(rows, length, site.width),), lambda module, x: module(x))


def _of_flow(part: Part, site: Any, rows: int, length: int) -> Probe:
    def call(module: nn.Module, x: Tensor, *memory: Tensor) -> Tensor:
        return module(x, replace(causal_flow(x.shape[1]), memory=memory[0] if memory else None))

    memory = () if site.memory_width is None else (numbers(rows, MEMORY, MEMORY_WIDTH, seed=2),)
    return Probe((numbers(rows, length, site.width), *memory), call)


def _of_tokens(part: Part, site: Any, rows: int, length: int) -> Probe:
    return Probe((tokens(rows, length),), lambda module, ids: module(ids))


def _of_heads(part: Part, site: Any, rows: int, length: int) -> Probe:
    queries = numbers(rows, site.heads, length, site.head_width)
    keys = numbers(rows, site.heads, length + 1, site.head_width, seed=2)
    return Probe((queries, keys), lambda module, q, k: module(q, k))


def _of_position(part: Part, site: Any, rows: int, length: int) -> Probe:
    def call(module: Any, x: Tensor, heads: Tensor) -> Tensor:
        steps = torch.arange(x.shape[1])
        angles, bias = module.angles(steps), module.bias(steps, steps)
        results = [module.embed(x, steps), heads if angles is None else module.rotate(heads, angles)]
        return torch.cat([result.flatten() for result in (*results, *(() if bias is None else (bias,)))])

    heads = numbers(rows, site.heads, length, site.head_width, seed=2)
    return Probe((numbers(rows, length, site.width), heads), call)


def _of_batch(part: Any, site: Any, rows: int, length: int) -> Probe:
    return Probe((), lambda module: module(model_batch(part, rows, length)))


def model_batch(part: Any, rows: int, length: int, seed: int = 1) -> Batch:
    """Token ids with targets, and sources of unequal length if the model reads pairs. First tokens differ."""
    ids = tokens(rows, length + 1, seed=seed)
    ids[:, 0] = torch.arange(rows) % VOCABULARY
    if part.reads == "sequence":
        return Batch(ids[:, :-1], ids[:, 1:])
    source, padding = tokens(rows, MEMORY, seed=seed + 1), torch.ones(rows, MEMORY, dtype=torch.bool)
    padding[0, -2:] = False
    return Batch(ids[:, :-1], ids[:, 1:], source=source, source_padding=padding)


_PROBES: dict[str, Callable[[Any, Any, int, int], Probe]] = {
    "embedding": _of_tokens,
    "position": _of_position,
    "score": _of_heads,
    "mixer": _of_flow,
    "feedforward": _of_x,
    "norm": _of_x,
    "block": _of_flow,
    "model": _of_batch,
}


def flow_of(
    start: int,
    end: int,
    memory: Tensor | None = None,
    padding: Tensor | None = None,
    documents: Tensor | None = None,
    memory_padding: Tensor | None = None,
) -> Flow:
    """Tokens `start` to `end` of a pass; positions count each row's tokens, or each document's."""
    positions = torch.arange(end)
    if padding is not None:
        positions = (padding.cumsum(1) - 1).clamp_min(0)[:, :end]
    if documents is not None:
        positions = torch.stack([_restarting(row) for row in documents])[:, :end]
    return Flow(
        positions[..., start:end],
        start,
        None if padding is None else padding[:, :end],
        None if documents is None else documents[:, :end],
        memory,
        memory_padding,
    )


def _restarting(row: Tensor) -> Tensor:
    count, positions = 0, []
    for index, document in enumerate(row.tolist()):
        count = count + 1 if index and document == row[index - 1] else 0
        positions.append(count)
    return torch.tensor(positions)


def prompt_of(batch: Batch, length: int) -> Batch:
    """The first `length` tokens of a batch, as a prompt."""
    ids = batch.tokens[:, :length]
    padding = None if batch.padding is None else batch.padding[:, :length]
    return replace(batch, tokens=ids, targets=torch.full_like(ids, IGNORED), padding=padding)
