"""The summary of fixed length that attention replaced (Cho et al. 2014).

    y_t = W m_M

for every t, where m_M is the last state of the memory: an encoder that reads forwards has seen all of the source there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from partwise.modules import Flow, Shown, State


class LastState(nn.Module):
    """x [B, T, C] to [B, T, C]. Only the shape of x matters; the memory is [B, M, `memory_width`]."""

    def __init__(self, width: int, memory_width: int) -> None:
        super().__init__()
        self.output = nn.Linear(memory_width, width)
        self.output.ends_residual_branch = True  # type: ignore[assignment]

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        assert flow.memory is not None, "it is built for layers that have a memory"
        return self.output(_last(flow.memory, flow.memory_padding)).unsqueeze(1).expand_as(x)

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        assert flow.memory is not None, "it is built for layers that have a memory"
        memory, padding = flow.memory, flow.memory_padding
        unit = torch.eye(memory.shape[1], dtype=x.dtype, device=x.device).expand(len(x), -1, -1)
        weights = _last(unit, padding).view(len(x), 1, 1, -1).expand(-1, -1, x.shape[1], -1)
        some = padding is None or bool(padding.any(1).all())
        return Shown(weights, memory.unsqueeze(1), lambda heads: self.output(heads.squeeze(1)), adds_up=some)

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return {}  # every pass is given the memory


def _last(memory: Tensor, padding: Tensor | None) -> Tensor:
    """The last state of each row that is not padding, [B, C]; zeros for a row of nothing but padding."""
    if padding is None:
        return memory[:, -1]
    last = (padding * torch.arange(padding.shape[1], device=padding.device)).argmax(1)
    chosen = memory[torch.arange(len(memory), device=memory.device), last]
    return chosen.masked_fill(~padding.any(1, keepdim=True), 0.0)
