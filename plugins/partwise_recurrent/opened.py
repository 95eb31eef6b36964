"""The gates of PyTorch's recurrent networks, position by position, which their kernels do not give out."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .recurrence import Network

NAMES = {"LSTM": ("input", "forget", "output"), "GRU": ("reset", "update")}


def opened(network: Network, x: Tensor) -> dict[str, Tensor]:
    """The gates for x [B, T, C], [B, T, D] each; those of several layers are numbered from 1. A plain recurrence has
    none."""
    names, found = NAMES.get(network.mode, ()), {}
    if not names:
        return {}
    for layer in range(network.num_layers):
        outputs, gates = [], []
        for output, opening in _steps(network, layer, x):
            outputs.append(output)
            gates.append(opening)
        x = torch.stack(outputs, 1)
        for name, gate in zip(names, torch.stack(gates, 1).unbind(2), strict=True):
            found[name if network.num_layers == 1 else f"{name} {layer + 1}"] = gate
    return found


def _steps(network: Network, layer: int, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The output [B, D] of a layer at each position, and its gates [B, gates, D] there."""
    cell = _lstm if isinstance(network, nn.LSTM) else _gru
    names = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
    weights, bias, weights_back, bias_back = (getattr(network, f"{name}_l{layer}") for name in names)
    hidden = remembered = x.new_zeros(len(x), network.hidden_size)
    for read in F.linear(x, weights, bias).unbind(1):
        hidden, remembered, gates = cell(read, F.linear(hidden, weights_back, bias_back), hidden, remembered)
        yield hidden, gates


def _lstm(read: Tensor, back: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    take, forget, new, output = (read + back).chunk(4, -1)
    gates = torch.sigmoid(torch.stack((take, forget, output), 1))
    cell = gates[:, 1] * cell + gates[:, 0] * torch.tanh(new)
    return gates[:, 2] * torch.tanh(cell), cell, gates


def _gru(read: Tensor, back: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    (reset, update, new), (reset_back, update_back, new_back) = read.chunk(3, -1), back.chunk(3, -1)
    gates = torch.sigmoid(torch.stack((reset + reset_back, update + update_back), 1))
    candidate = torch.tanh(new + gates[:, 0] * new_back)
    return (1 - gates[:, 1]) * candidate + gates[:, 1] * hidden, cell, gates
