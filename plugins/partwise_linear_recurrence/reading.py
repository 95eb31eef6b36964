"""A linear recurrence over a pass: padding is passed over, and packed documents begin without memory."""

from __future__ import annotations

import torch
from torch import Tensor

from partwise.modules import Flow, State, exact_dtype, linear_recurrence


def read(decays: Tensor, inputs: Tensor, flow: Flow, state: State | None) -> Tensor:
    """All h_t = decays_t * h_{t-1} + inputs_t, [B, T, D], in float32 at least; goes on from the state, and updates it.

    Args:
        state: {"hidden": [B, D]}.
    """
    if flow.present is not None:
        decays = torch.where(flow.present.unsqueeze(-1), decays, 1)
        inputs = flow.clear_padding(inputs)
    if flow.begins is not None:
        decays = torch.where(flow.begins.unsqueeze(-1), 0, decays)
    hidden = linear_recurrence(decays, inputs, None if state is None else state["hidden"])
    if state is not None and hidden.shape[1]:
        state["hidden"].copy_(hidden[:, -1])
    return hidden


def empty(batch: int, features: int, like: Tensor) -> State:
    """Zeros, of the same size for every length; in float32 at least, so that a long memory loses nothing."""
    return {"hidden": like.new_zeros(batch, features, dtype=exact_dtype(like.dtype))}
