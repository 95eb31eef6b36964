"""Adapters: what learns beside a linear layer whose own weights stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

import torch
from torch import Tensor, nn


class Adapter(Protocol):
    """An `nn.Module` that stands beside a linear layer and changes what it gives.

    A fresh one changes nothing. Its parameters are the only ones that learn, unless a recipe names others.
    """

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What the adapted layer gives for x [..., I], where the layer alone gives x weight^T + bias, [..., O]."""
        ...

    def merged(self, weight: Tensor) -> Tensor:
        """The weight [O, I] of a plain layer that gives what the adapted one gives in evaluation."""
        ...


class AdaptedLinear(nn.Linear):
    """A linear layer with an adapter beside it; `adapt` makes one of a layer that is there.

    Its own parameters keep their names. Code that takes its `weight`, instead of calling it, is given the merged one.
    """

    adapter: nn.Module

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        own = self._own()
        # A share of it is asked for by those only who keep shares (FSDP2); whoever computes has the whole.
        return own if hasattr(own, "full_tensor") else self.adapting.merged(own)

    def forward(self, x: Tensor) -> Tensor:
        return self.adapting(x, self._own(), self.bias)

    @property
    def adapting(self) -> Adapter:
        """The adapter, by what it promises."""
        return cast(Adapter, self.adapter)

    def _own(self) -> Tensor:
        return cast(Tensor, self._parameters["weight"])


def adapt(layer: nn.Linear, adapter: nn.Module) -> None:
    """Puts an adapter beside a layer, which stays the object that it is: whoever holds it has the adapted one."""
    layer.__class__ = AdaptedLinear
    layer.adapter = adapter


def adapted_in(model: nn.Module) -> Iterator[tuple[str, AdaptedLinear]]:
    """The layers of a model that have adapters, by their paths."""
    for path, module in model.named_modules():
        if isinstance(module, AdaptedLinear):
            yield path, module


def merge_adapters(model: nn.Module) -> None:
    """Makes plain layers of the adapted ones, which in evaluation give what those gave."""
    for _, layer in list(adapted_in(model)):
        with torch.no_grad():
            merged = layer.weight
            del layer.adapter
            layer.__class__ = nn.Linear  # type: ignore[assignment]
            layer.weight.copy_(merged)


__all__ = ["AdaptedLinear", "Adapter", "adapt", "adapted_in", "merge_adapters"]
