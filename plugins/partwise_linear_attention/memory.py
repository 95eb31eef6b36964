"""How matrices are read and written in a pass: by chunks or by one step, with padding, documents and precision."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from partwise.modules import Shown

from .chunks import Chunks, only
from .shape import Heads

if TYPE_CHECKING:
    from partwise.modules import Flow, State


class Rule(Protocol):
    """How tokens change a state S [B, H, K, V], and what they read from it.

    What a token brings (queries, keys, values, decays ...) are tensors [B, H, T, features], in an order of the rule's
    own. A token that brings zeros, but for its query, leaves the state as it is.
    """

    chunk: int
    """Positions of a chunk."""

    def in_chunks(self, brought: tuple[Tensor, ...], chunks: Chunks, first: Tensor) -> tuple[Tensor, Tensor]:
        """From the first state, outputs [B, H, T, V] and the last state."""
        ...

    def step(self, brought: tuple[Tensor, ...], state: Tensor) -> tuple[Tensor, Tensor]:
        """For one token, whose tensors are [B, H, features]: its output [B, H, V] and the next state."""
        ...


def empty_matrix(batch: int, heads: Heads, like: Tensor) -> State:
    """{"matrix": [B, H, K, V]} of zeros, in float32 or better, of the same size for every length."""
    return {"matrix": like.new_zeros(batch, heads.count, heads.key, heads.value, dtype=exact(like))}


def exact(x: Tensor) -> torch.dtype:
    """The dtype in which states and decays are kept: x's own, and at least float32."""
    return torch.promote_types(x.dtype, torch.float32)


def remember(rule: Rule, brought: tuple[Tensor, ...], flow: Flow, state: State | None) -> Tensor:
    """Outputs [B, T, H, V] from what tokens bring, [B, T, H, features], by a rule; the state is updated in place.

    Computed in float32 or better. Of `brought`, padding must be zeros.
    """
    dtype = exact(brought[0])
    brought = tuple(x.to(dtype).transpose(1, 2) for x in brought)
    key, value = brought[1], brought[2]
    if state is None:
        before = key.new_zeros(*key.shape[:2], key.shape[-1], value.shape[-1])
    else:
        before = state["matrix"].to(dtype)
    with _unrounded(key.device):
        if flow.length == 1:
            before = only(before, None if flow.begins is None else ~flow.begins[:, :, None, None])
            output, after = rule.step(tuple(x.squeeze(2) for x in brought), before)
            output = output.unsqueeze(2)
        else:
            output, after = rule.in_chunks(brought, Chunks(flow.length, rule.chunk, flow.begins), before)
    if state is not None:
        state["matrix"].copy_(after)
    return output.transpose(1, 2)


def implied(rule: Rule, brought: tuple[Tensor, ...], flow: Flow, finish: Callable[[Tensor], Tensor]) -> Shown:
    """What a linear attention shows: how much of each value `remember` gives at each position.

    Outputs are linear in the values, so the weights are the outputs for unit vectors in their place.

    Args:
        finish: from outputs [B, T, H, V] to those of the mixer.
    """
    query, key, value, *others = brought
    units = torch.eye(flow.length, dtype=value.dtype, device=value.device)[None, :, None, :]
    units = flow.clear_padding(units.expand(*value.shape[:3], flow.length))
    plain = getattr(rule, "rule", rule)  # kernels take values of some widths only
    weights = remember(plain, (query, key, units, *others), flow, None).transpose(1, 2)
    values = value.to(weights.dtype).transpose(1, 2)
    return Shown(weights, values, lambda heads: finish(heads.transpose(1, 2)), adds_up=False)


def _unrounded(device: torch.device) -> AbstractContextManager[object]:
    """Within it, autocast rounds nothing."""
    known = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if known else nullcontext()
