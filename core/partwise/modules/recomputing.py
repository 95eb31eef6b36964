"""Activation checkpointing: layers that keep nothing for the backward pass, and compute it again (Chen et al. 2016,
arXiv:1604.06174).

The second time must be the first once more. Random numbers and autocast are PyTorch's part (`torch.utils.checkpoint`).
Here is the rest: a layer finds in its flow what it found the first time, and what it leaves behind, in the flow and in
its buffers, is not left twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .flow import Flow


def recompute(layer: nn.Module) -> None:
    """Lets `layer` keep its inputs alone for the backward pass, which computes the rest again.

    Its output, its gradients and what it leaves behind stay the same to the bit. In evaluation, without gradients and
    while it fills a state nothing changes.
    """
    layer.forward = partial(_keeping_inputs, layer, layer.forward)


def layers_of(model: nn.Module, apart: bool = False) -> Iterator[nn.Module]:
    """The outermost modules that stand in lists, which is how layers are kept, if they have weights.

    Args:
        apart: leaves out those that share weights with another module.
    """
    uses = Counter(id(one) for module in model.modules() for one in module.parameters(recurse=False))
    lists = [path for path, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    for path in lists:
        if not any(path.startswith(f"{other}.") for other in lists):
            for layer in cast(nn.ModuleList, model.get_submodule(path)):
                inside = Counter(id(one) for module in layer.modules() for one in module.parameters(recurse=False))
                if inside and (not apart or all(uses[key] == count for key, count in inside.items())):
                    yield layer


def _keeping_inputs(layer: nn.Module, forward: Callable[..., Any], x: Any, *others: Any) -> Any:
    fills_state = any(isinstance(one, dict | list) for one in others)
    if not layer.training or not torch.is_grad_enabled() or fills_state:
        return forward(x, *others)
    if torch.compiler.is_compiling():
        return checkpoint(forward, x, *others, use_reentrant=False)
    return checkpoint(_Pass(layer, forward, others), x, use_reentrant=False)


class _Pass:
    """One call of a layer, which can be repeated.

    It keeps what a repetition needs and nothing that came of the call: a graph that holds its own results is never let
    go.
    """

    def __init__(self, layer: nn.Module, forward: Callable[..., Any], others: tuple[Any, ...]) -> None:
        self.layer, self.forward = layer, forward
        self.first: tuple[Any, ...] | None = others
        self.found = _as_found(others)
        self.written: list[Tensor] = []

    def __call__(self, x: Any) -> Any:
        if self.first is None:
            with _unchanged(self.written):
                return self.forward(x, *_as_found(self.found))
        others, self.first = self.first, None
        versions = [(one, one._version) for one in self.layer.buffers()]
        output = self.forward(x, *others)
        self.written = [one for one, version in versions if one._version != version]
        return output


def _as_found(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(one.as_found() if isinstance(one, Flow) else one for one in inputs)


@contextmanager
def _unchanged(buffers: list[Tensor]) -> Iterator[None]:
    """Puts back what is written into them."""
    before = [one.clone() for one in buffers]
    try:
        yield
    finally:
        with torch.no_grad():
            for one, value in zip(buffers, before, strict=True):
                one.copy_(value)
