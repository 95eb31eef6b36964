"""Hyena's filters: functions of the distance, computed by a small network (Poli et al. 2023, section 3.3).

    h_t = exp(-decay * t / L) * network(features of t)

with L the context that the model is built for. The network computes in float64: its sines multiply what is rounded by
their frequencies, layer by layer, and the filter at one distance must be the same whichever others are asked for.

Shapes: T distances, O filters of D features each, F features of a distance, W width of the network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import exact_dtype

TARGET = 1e-2
"""What is left of a filter at the distances at which decays are given."""


@dataclass(frozen=True)
class FilterShape:
    """How filters are made."""

    context: int
    """L."""
    layers: int
    """Layers with sines; a linear one follows."""
    width: int
    """W."""
    bands: int
    """Frequencies of the distance's sines and cosines."""
    frequency: float
    """Factor in the network's sines: the larger, the less smooth filters begin."""
    short_reach: float
    """Share of the context after which the filter that decays fastest is down to 1/100."""
    long_reach: float
    """The same of the one that decays slowest."""


class Filters(nn.Module):
    """`count` filters for each of `features` features."""

    decays: Tensor

    def __init__(self, count: int, features: int, shape: FilterShape) -> None:
        super().__init__()
        self.count, self.features, self.shape = count, features, shape
        sizes = [1 + 2 * shape.bands, *[shape.width] * shape.layers]
        self.layers = nn.ModuleList(SineLayer(*pair, shape.frequency) for pair in pairwise(sizes))
        self.weight = nn.Parameter(torch.empty(count * features, shape.width))
        self.register_buffer("decays", torch.empty(features), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = self.shape.width**-0.5
        nn.init.uniform_(self.weight, -bound, bound)
        slowest, fastest = (-math.log(TARGET) / reach for reach in (self.shape.long_reach, self.shape.short_reach))
        with torch.no_grad():
            self.decays.copy_(torch.linspace(slowest, fastest, self.features))

    def forward(self, first: int, last: int) -> Tensor:
        """The filters at the distances from `first` to before `last`: [T, O, D]."""
        distances = torch.arange(first, last, device=self.weight.device, dtype=torch.float64)
        x = self._features(distances)
        for layer in self.layers:
            x = layer(x)
        shares = distances / max(1, self.shape.context - 1)
        window = torch.exp(-shares[:, None, None] * self.decays.double())
        filters = F.linear(x, self.weight.double()).unflatten(-1, (self.count, self.features)) * window
        return filters.to(exact_dtype(self.weight.dtype))

    def _features(self, distances: Tensor) -> Tensor:
        """The distance itself, and its sines and cosines at several frequencies, [T, F]."""
        shape = self.shape
        frequencies = torch.linspace(1e-4, shape.bands - 1, shape.bands, device=distances.device, dtype=distances.dtype)
        angles = 2 * math.pi / shape.context * distances[:, None] * frequencies
        share = distances[:, None] / max(1, shape.context - 1)
        return torch.cat((share, torch.cos(angles), -torch.sin(angles)), -1)


class SineLayer(nn.Module):
    """sin(frequency * (W x + b)), with a frequency per output that is learned. Initialisers of linear layers leave it
    alone: with their small weights, filters would begin as good as constant."""

    def __init__(self, inputs: int, outputs: int, frequency: float) -> None:
        super().__init__()
        self.first_frequency = frequency
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.frequency = nn.Parameter(torch.empty(outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = self.weight.shape[1] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)
        nn.init.constant_(self.frequency, self.first_frequency)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.frequency.double() * F.linear(x, self.weight.double(), self.bias.double()))
