"""Finds out what an optimizer keeps for each parameter after an update, without moving any data.

A checkpoint may hold a state of any shape. An optimizer accepts whatever it is given, and would fail only at its next
update, far from the file that caused it.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.optim import Optimizer


def kept_state(optimizer: Optimizer) -> dict[int, dict[str, Any]]:
    """The optimizer's state by parameter index and key: numbers, and tensors on the meta device.

    Empty for an optimizer that cannot be copied, or cannot update tensors that hold no data.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    stand_ins = {id(one): torch.empty(one.shape, dtype=one.dtype, device="meta") for one in parameters}
    for one in stand_ins.values():
        one.requires_grad_().grad = torch.empty_like(one)
    try:
        probe = copy.deepcopy(optimizer, dict[int, Any](stand_ins))  # the copy has these for its parameters
        probe.state.clear()
        for group in probe.param_groups:
            group.update({kind: False for kind in ("fused", "foreach") if kind in group})
        probe.step()
        return dict(probe.state_dict()["state"])
    except Exception:  # an optimizer of anyone's may raise anything here
        return {}
