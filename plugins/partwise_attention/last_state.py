"""The fixed-length summary that attention was invented to do without (Cho et al. 2014).

    y_t = W m_M

for every t, where m_M is the memory's last state: an encoder that reads forwards has all of the source in it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from partwise.modules import Flow, State


class LastState(nn.Module):
    """x [B, T, C] to [B, T, C], of which it takes nothing but the shape; the memory is [B, M, `memory_width`]."""

    def __init__(self, width: int, memory_width: int) -> None:
        super().__init__()
        self.output = nn.Linear(memory_width, width)
        self.output.ends_residual_branch = True  # type: ignore[assignment]

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        assert flow.memory is not None, "it is built for layers that have a memory"
        return self.output(_last(flow.memory, flow.memory_padding)).unsqueeze(1).expand_as(x)

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return {}  # every pass is given the memory


def _last(memory: Tensor, padding: Tensor | None) -> Tensor:
    """[B, C]: of each row the last state that is none of padding; zeros if all of them are."""
    if padding is None:
        return memory[:, -1]
    last = (padding * torch.arange(padding.shape[1], device=padding.device)).argmax(1)
    chosen = memory[torch.arange(len(memory), device=memory.device), last]
    return chosen.masked_fill(~padding.any(1, keepdim=True), 0.0)
