"""Mistakes in adapters."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from partwise.modules import Adapter
from partwise.parts import AdapterPart, AdapterSite
from partwise.testing.checks import adapters
from partwise_adapters.lora import LowRank

from .planting import Kills

KILLS = Kills()


def adapter(of: type[LowRank] = LowRank):
    """LoRA, with a module that has a mistake in it."""

    class Planted(AdapterPart):
        """An adapter with a mistake in it."""

        name = "planted"

        def build(self, site: AdapterSite) -> Adapter:
            return of(site.inputs, site.outputs, 2, 3.0)

    return Planted()


class BothDrawn(LowRank):
    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.normal_(self.b)


class MergedWithoutScale(LowRank):
    def merged(self, weight: Tensor) -> Tensor:
        return weight + (super().merged(weight) - weight) / self.scale


class MergedOneForAll(LowRank):
    """Of joined layers, all get the product of the first."""

    def merged(self, weight: Tensor) -> Tensor:
        return weight + self.scale * self.b @ self.a[: self.rank]


class WithoutAPath(LowRank):
    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        with torch.no_grad():
            thin = nn.functional.linear(x, self.a)
        plain: Any = nn.functional.linear(x, weight, bias)
        pairs = zip(thin.split(self.rank, dim=-1), self.b.split(self.outputs), strict=True)
        return plain + self.scale * torch.cat([nn.functional.linear(one, b) for one, b in pairs], dim=-1)


class ChangesTheWeight(LowRank):
    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.training and torch.is_grad_enabled():
            weight.data.mul_(0.999)
        return super().forward(x, weight, bias)


for check, mistake, module in (
    (adapters.a_fresh_one_changes_nothing, "both matrices are drawn", BothDrawn),
    (adapters.merged_is_as_unmerged, "merged without the scale", MergedWithoutScale),
    (adapters.merged_is_as_unmerged, "merged with one product for all joined layers", MergedOneForAll),
    (adapters.only_its_parameters_learn, "a matrix that never learns", WithoutAPath),
    (adapters.only_its_parameters_learn, "the weight itself is changed", ChangesTheWeight),
):
    KILLS.plant(check, mistake, adapter, lambda module=module: adapter(module))
