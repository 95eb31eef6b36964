"""The mixer rows: forward and backward of one layer's mixer on long sequences, against attention of the same width.

Mixers whose cost grows with the length, not with its square, must not be out of reach on a CPU: each in the form that
training takes, pure PyTorch, beside `multi_head` with torch's fused attention.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import torch
from measuring import Measure, Pair, one_by_one
from torch import Tensor, nn

from partwise.assembly.build import materialise
from partwise.modules import causal_flow
from partwise.parts import LayerSite, MixerPart, resolve_part

WIDTH, HEADS, LENGTH = 256, 4, 2048

MIXERS: dict[str, dict[str, object]] = {
    "delta_net": {"heads": HEADS},
    "gated_delta_net": {"heads": HEADS},
    "gated_linear_attention": {"heads": HEADS},
    "hyena": {},
    "mamba": {},
    "mamba2": {"head_width": 2 * WIDTH // HEADS},
    "min_gru": {},
    "min_lstm": {},
    "retention": {"heads": HEADS},
    "rg_lru": {"blocks": HEADS},
    "rwkv7": {"heads": HEADS},
}


def against_attention(name: str) -> Callable[[], Measure]:
    """Tokens per second through the mixer, and through attention."""

    def prepare() -> Measure:
        ours = _step({"use": name, **MIXERS[name]})
        theirs = _step({"use": "multi_head", "heads": HEADS})

        def measure() -> Pair:
            return _rate(ours), _rate(theirs)

        return one_by_one(measure)

    return prepare


def _step(choice: dict[str, object]) -> Callable[[], None]:
    part = resolve_part(MixerPart, choice)
    site = LayerSite(width=WIDTH, context=LENGTH, layer=1, depth=2)
    with torch.device("meta"):
        module = part.build(site)
    assert isinstance(module, nn.Module)
    mixer = materialise(cast(Any, module), 0, torch.device("cpu")).train()
    x = torch.randn(1, LENGTH, WIDTH, requires_grad=True)

    def step() -> None:
        y: Tensor = mixer(x, causal_flow(LENGTH))
        y.square().mean().backward()

    return step


def _rate(step: Callable[[], None]) -> float:
    begun = time.perf_counter()
    step()
    return LENGTH / (time.perf_counter() - begun)
