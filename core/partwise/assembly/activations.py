"""What training costs beside the weights, counted on the meta device: neither weights nor activations are allocated.

Attention is counted as fused kernels compute it, which never write out its scores.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from partwise.data.batch import Batch
from partwise.modules.objective import TrainingLoss
from partwise.modules.protocols import Model
from partwise.modules.recomputing import layers_of, recompute


@dataclass(frozen=True)
class TrainingCosts:
    """What training takes for one row as long as the context; bytes in float32."""

    activations: int
    """Bytes that the forward pass keeps for the backward one."""
    recomputed_activations: int
    """The same at its most where every layer keeps its input alone (`recompute` 1): one at a time is computed again."""
    flops: int
    """FLOPs of the forward and the backward pass, which costs twice as much."""
    recomputed_flops: int
    """FLOPs to compute every layer again."""


def training_costs(model: Model, batch: Batch) -> TrainingCosts | None:
    """The costs of a model on the meta device; None if its work depends on the data, which there is none of.

    Args:
        batch: one row; on the meta device.
    """
    plain, again = copy.deepcopy(cast(nn.Module, model)).train(), copy.deepcopy(cast(nn.Module, model)).train()
    for layer in list(layers_of(again)):
        recompute(layer)
    try:
        with FlopCounterMode(display=False) as counter:
            kept = _kept(plain, batch)
        inputs = _kept(again, batch)
    except Exception:
        return None
    paths = {layer: path for path, layer in plain.named_modules()}
    by_module = counter.get_flop_counts()
    of_layers = sum(
        sum(by_module.get(f"{TrainingLoss.__name__}.model.{paths[layer]}", {}).values()) for layer in layers_of(plain)
    )
    largest = max(kept.by_layer.values(), default=0)
    return TrainingCosts(kept.total, min(kept.total, inputs.total + largest), 3 * counter.get_total_flops(), of_layers)


@dataclass
class _Kept:
    """Bytes that are kept, and those of them that each layer was the first to keep."""

    weights: set[int]
    total: int = 0
    by_layer: dict[nn.Module, int] = field(default_factory=dict)
    within: list[nn.Module] = field(default_factory=list)
    seen: dict[int, Any] = field(default_factory=dict)

    def leave(self) -> None:
        self.within.pop()

    def add(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.weights and storage._cdata not in self.seen:
            self.seen[storage._cdata] = storage  # held, so that no address comes twice
            self.total += storage.nbytes()
            if self.within:
                self.by_layer[self.within[-1]] = self.by_layer.get(self.within[-1], 0) + storage.nbytes()
        return tensor


def _kept(model: nn.Module, batch: Batch) -> _Kept:
    own = (*model.parameters(), *model.buffers())
    kept = _Kept({one.untyped_storage()._cdata for one in own})
    for layer in layers_of(model):
        layer.register_forward_pre_hook(lambda layer, inputs: kept.within.append(layer))
        layer.register_forward_hook(lambda layer, inputs, output: kept.leave())
    with warnings.catch_warnings(), FusedAttention(), saved_tensors_hooks(kept.add, lambda tensor: tensor):
        warnings.simplefilter("ignore")
        held = TrainingLoss(cast(Model, model))(batch)
    del held
    return kept


class FusedAttention(TorchFunctionMode):
    """On the meta device PyTorch takes attention apart, where a CPU or a GPU has one kernel for it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            query, key, value, mask = (*args, (kwargs or {}).get("attn_mask"))[:4]
            with torch.no_grad():
                func(*args, **(kwargs or {}))  # for its FLOPs
            return _Attention.apply(query, key, value, mask)  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))


class _Attention(torch.autograd.Function):
    """Keeps what fused attention keeps: its inputs, its output, and a number for each query."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        *rows, heads, length, _ = query.shape
        output = query.new_empty(*rows, length, heads, value.shape[-1]).transpose(-3, -2)  # as kernels lay it out
        ctx.save_for_backward(query, key, value, mask, output, query.new_empty(query.shape[:-1]))
        return output
