"""`fed`: how a block calls its feed-forward layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .flow import Flow


def fed(feedforward: Any, x: Tensor, flow: Flow) -> Tensor:
    """What a feed-forward layer gives for x [B, T, C]; those that say `reads_flow` are given the flow, too."""
    result: Tensor = feedforward(x, flow) if getattr(feedforward, "reads_flow", False) else feedforward(x)
    return result
