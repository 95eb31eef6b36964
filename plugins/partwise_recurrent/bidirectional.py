"""Recurrences that read in both directions (Schuster & Paliwal 1997), for texts that are complete."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .opened import opened
from .recurrence import Network
from .segments import Segments

if TYPE_CHECKING:
    from partwise.modules import Flow, State


class Bidirectional(nn.Module):
    """x [B, T, C] to [B, T, C], in layers of two networks from C to C / 2 features: one reads on, one back.

    A layer's output is theirs side by side; `dropout` acts on it before the next layer. Unlike in PyTorch, the two are
    separate networks, so that the one that reads back can begin at each row's last token without packed sequences,
    which cost several times as much on a CPU.
    """

    def __init__(self, layers: Iterable[tuple[Network, Network]], dropout: float = 0.0) -> None:
        super().__init__()
        self.on, self.back = (nn.ModuleList(networks) for networks in zip(*layers, strict=True))
        self.dropout = dropout

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        """Padding comes out as 0; each packed document is read by itself.

        Raises:
            ValueError: a state is given.
        """
        if state is not None:
            raise ValueError("a bidirectional recurrence cannot continue from a state: it needs the whole text")
        if x.shape[1] == 0:
            return x
        segments = Segments.of(x, flow)
        if segments is None:
            return self._run(x, None)
        return segments.to_batch(self._run(segments.to_rows(x), segments.lengths))

    def _run(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        for layer, (on, back) in enumerate(zip(self.on, self.back, strict=True)):
            if layer > 0:
                x = F.dropout(x, self.dropout, self.training)
            x = torch.cat((on(x)[0], reversed_rows(back(reversed_rows(x, lengths))[0], lengths)), dim=-1)
        return x

    def gates(self, x: Tensor, flow: Flow) -> dict[str, Tensor]:
        segments = Segments.of(x, flow)
        lengths = None if segments is None else segments.lengths
        rows = x if segments is None else segments.to_rows(x)
        found: dict[str, Tensor] = {}
        for layer, (on, back) in enumerate(zip(*self._networks(), strict=True)):
            number = f" {layer + 1}" if len(self.on) > 1 else ""
            turned = reversed_rows(rows, lengths)
            found |= {f"{name}{number}, onwards": gate for name, gate in opened(on, rows).items()}
            found |= {
                f"{name}{number}, backwards": reversed_rows(gate, lengths)
                for name, gate in opened(back, turned).items()
            }
            rows = torch.cat((on(rows)[0], reversed_rows(back(turned)[0], lengths)), dim=-1)
        return found if segments is None else {name: segments.to_batch(gate) for name, gate in found.items()}

    def _networks(self) -> tuple[list[Network], list[Network]]:
        return list(self.on), list(self.back)  # type: ignore[arg-type]

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        """Nothing: it cannot continue."""
        return {}


def reversed_rows(x: Tensor, lengths: Tensor | None) -> Tensor:
    """x [B, T, C] with the first `lengths` [B] positions of each row (None: all) in reverse order."""
    if lengths is None:
        return x.flip(1)
    places = torch.arange(x.shape[1], device=x.device)
    last = lengths[:, None] - 1
    return x.take_along_dim(torch.where(places <= last, last - places, places)[..., None], dim=1)
