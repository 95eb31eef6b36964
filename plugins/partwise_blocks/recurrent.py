"""The recurrent block: a recurrence as in the textbooks (Elman 1990), without residual or norm.

With an encoder, its output is combined with what attention found there (Luong et al. 2015):

    h = mixer(x)
    c = cross(h, memory)
    y = tanh(W [h; c])

Bahdanau et al. (2015) attend with the state *before* the step and feed c into the step, so that a target cannot be
read in one pass. Luong's order allows any score and learns the same alignments.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from partwise.modules import Flow, Mixer, State

from .branches import dropped, mixer_states


class RecurrentBlock(nn.Module):
    """x [B, T, C] to [B, T, C]."""

    def __init__(self, mixer: Mixer, cross: Mixer | None, width: int, dropout: float) -> None:
        super().__init__()
        self.mixer = mixer
        self.cross = cross
        self.combine = nn.Linear(2 * width, width) if cross is not None else None
        self.dropout = dropout

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        h = self.mixer(x, flow, state and state["mixer"])
        if self.cross is not None and self.combine is not None:
            c = self.cross(h, flow, state and state["cross"])
            h = torch.tanh(self.combine(torch.cat((h, c), dim=-1)))
        return dropped(self, h)

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        return mixer_states(self.mixer, self.cross, batch, length, memory_length, like)
