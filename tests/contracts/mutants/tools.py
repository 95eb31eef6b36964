"""Mistakes that only PyTorch's own tools bring to light: compile, export, vmap, other devices and dtypes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.parts import FeedForwardPart, NormPart
from partwise.testing.checks import compiled, modules, pointwise

from .planting import Kills

KILLS = Kills()
SITE = FeedForwardPart.sites()["layer"]
NORM = NormPart.sites()["layer"]


class Plain(nn.Module):
    """A linear layer with a gain and a constant."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.gain = nn.Parameter(torch.empty(width))
        self.register_buffer("slope", torch.empty(width), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.gain)
        if not self.slope.is_meta:
            self.slope.copy_(torch.linspace(0, 1, len(self.slope)))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).tanh() * self.gain + self.slope.to(x.dtype)


def feedforward(module: Callable[[int], Any] = Plain) -> FeedForwardPart:
    class Planted(FeedForwardPart):
        """A feed-forward with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> Any:
            return module(site.width)

    return Planted()


class NoModule:
    def __init__(self, width: int) -> None:
        self.linear = nn.Linear(width, width)

    def __call__(self, x: Tensor) -> Tensor:
        return self.linear(x)


class NothingResets(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain


class GrowsWhenReset(Plain):
    def reset_parameters(self) -> None:
        super().reset_parameters()
        if not self.gain.is_meta:
            self.extra = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return super().forward(x) + self.extra.sum()


class BreaksTheGraph(Plain):
    def forward(self, x):
        if x.mean().item() > 10:
            x = x / 10
        return super().forward(x)


class OneGraphForEachLength(Plain):
    def forward(self, x):
        return super().forward(x) + sum(range(x.shape[1])) % 2 * 0.5


class OneBatchSizeOnly(Plain):
    def forward(self, x):
        return super().forward(x) if len(x) < 3 else super().forward(x.clone())


class ComputesWithNumbers(Plain):
    def forward(self, x):
        return super().forward(x) * float(self.gain.detach().mean())


class KeepsItsWeightsElsewhere(Plain):
    def __init__(self, width):
        super().__init__(width)
        self.again = [self.linear]

    def forward(self, x):
        return F.linear(x, self.again[0].weight.detach().clone()) if self.remembered(x) is None else self.remembered(x)

    def remembered(self, x):
        if not hasattr(self, "first") and not self.gain.is_meta:
            self.first = (self.gain.detach().clone(),)
        return self.linear(x) * self.first[0]


class MakesItsOwnTensors(Plain):
    def forward(self, x):
        return super().forward(x) + torch.arange(x.shape[-1], device="cpu").to(x.dtype)


class AnswersInFloat32(Plain):
    def forward(self, x):
        return F.layer_norm(super().forward(x).float(), x.shape[-1:])


class OverflowsInHalf(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()


class CastsFirst(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        exact = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        return (exact * (exact.square().mean(-1, keepdim=True) + 1e-6).rsqrt()).to(x.dtype)


def norm(module: Callable[[], nn.Module] = CastsFirst) -> NormPart:
    class Planted(NormPart):
        """A norm with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> Any:
            return module()

    return Planted()


class StatisticsOfTheBatch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean((0, 1))) / (x.std((0, 1)) + 1e-5)


for mistake, wrong, check in (
    ("no module is built", NoModule, modules.it_builds_a_module),
    ("a parameter and no reset_parameters", NothingResets, modules.it_builds_a_module),
    ("a parameter made in reset", GrowsWhenReset, modules.its_parameters_are_counted_before_they_are_made),
    ("a branch on a tensor's content", BreaksTheGraph, compiled.it_compiles_to_one_graph),
    ("a graph for each length", OneGraphForEachLength, compiled.it_compiles_to_one_graph),
    ("another program for large batches", OneBatchSizeOnly, compiled.it_can_be_exported),
    ("a parameter turned into a number", ComputesWithNumbers, modules.it_can_be_mapped_over_parameters),
    (
        "a copy of a weight kept from the first call",
        KeepsItsWeightsElsewhere,
        modules.it_is_a_function_of_its_parameters,
    ),
    ("a tensor always made on the CPU", MakesItsOwnTensors, modules.it_computes_where_its_input_is),
    ("an answer always in float32", AnswersInFloat32, modules.it_computes_in_bfloat16),
):
    KILLS.plant(check, mistake, feedforward, partial(feedforward, wrong), SITE)
KILLS.plant(
    pointwise.half_precision_does_not_overflow,
    "squares overflow in float16",
    norm,
    partial(norm, OverflowsInHalf),
    NORM,
)
KILLS.plant(
    pointwise.each_position_is_by_itself, "statistics of the batch", norm, partial(norm, StatisticsOfTheBatch), NORM
)
