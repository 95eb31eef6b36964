"""Layers of experts to try, and the same computed densely, expert by expert and token by token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from partwise.modules import Flow, causal_flow
from partwise.parts import FeedForwardPart, LayerSite, RouterPart, RouterSite, resolve_part
from partwise.testing import shaken

WIDTH = 16
DECODER = LayerSite(width=WIDTH, layer=1, depth=2, context=32)
ENCODER = replace(DECODER, causal=False)


def layer(site: LayerSite = DECODER, **knobs: Any) -> Any:
    part: Any = resolve_part(FeedForwardPart, {"use": "experts", **knobs})
    return shaken(part, site)


def router(experts: int = 6, causal: bool = True, **knobs: Any) -> Any:
    part: Any = resolve_part(RouterPart, knobs)
    return shaken(part, RouterSite(WIDTH, experts, causal=causal))


def flow(length: int, tokens: Tensor | None = None, padding: Tensor | None = None) -> Flow:
    return replace(causal_flow(length), tokens=tokens, padding=padding)


def dense(module: Any, x: Tensor, flow: Flow) -> Tensor:
    """Every expert computes every token by itself, from its slice of the weights; the router's shares mix them."""
    count, flat = module.count, x.flatten(0, 1)
    shares = module.router(x, flow).shares(len(flat), count).to(x.dtype)
    outputs = torch.stack([one(module.experts, index, count, flat) for index in range(count)], 1)
    mixed = (outputs * shares[..., None]).sum(1).view(x.shape)
    return mixed if module.shared is None else mixed + module.shared(x)


def one(experts: Any, index: int, count: int, x: Tensor) -> Tensor:
    """What the expert `index` gives for x [N, C]."""

    def linear(layer: Any, x: Tensor) -> Tensor:
        y = x @ layer.weight.chunk(count)[index].T
        return y if layer.bias is None else y + layer.bias.chunk(count)[index]

    gated = hasattr(experts, "gate")
    hidden = experts.activation(linear(experts.gate if gated else experts.up, x))
    return linear(experts.down, hidden * linear(experts.up, x) if gated else hidden)
