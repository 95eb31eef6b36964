"""Results on gradients at the first weights."""

from __future__ import annotations

from statistics import mean
from typing import Any, cast

import numpy as np
import torch

from partwise.assembly import assemble
from partwise.data import Batch
from partwise.parts import ModelPart, ModelSite, resolve_part

from .result import Obtained, Replication


def norm_gradients(name: str) -> Obtained:
    """How the gradient of the last feed-forward's output matrix falls with depth, at the first weights."""
    slopes = {block: _slope_with_depth(block) for block in ("post_norm", "pre_norm")}
    told = ", ".join(f"{block} depth^{slope:.2f}" for block, slope in slopes.items())
    return Obtained(told, abs(slopes["post_norm"]) < 0.15 and abs(slopes["pre_norm"] + 0.5) < 0.15)


DEPTHS = (4, 8, 16, 32)


def _slope_with_depth(block: str, draws: int = 5) -> float:
    """The exponent of depth with which the norm of that gradient changes: a straight line through the logarithms."""
    norms = [mean(_last_gradient(block, depth, seed) for seed in range(draws)) for depth in DEPTHS]
    return float(np.polyfit(np.log(DEPTHS), np.log(norms), 1)[0])


def _last_gradient(block: str, depth: int, seed: int) -> float:
    layer = {"use": block, "mixer": {"use": "multi_head", "heads": 4}, "feedforward": "relu"}
    part = resolve_part(
        ModelPart,
        {
            "use": "language_model", "width": 64, "context": 32, "depth": depth, "blocks": [layer], "tie": False,
            "position": "sinusoidal", "initializer": "xavier", "embedding_scale": "sqrt_width",
            "final_norm": "layer_norm" if block == "pre_norm" else "none",
        },
    )  # fmt: skip
    model: Any = assemble(cast(ModelPart, part), ModelSite(100), seed)
    ids = torch.randint(100, (16, 33), generator=torch.Generator().manual_seed(seed))
    batch = Batch(ids[:, :-1], ids[:, 1:])
    (model.loss(batch) / batch.scored).backward()
    matrices = [weight for weight in model.stack.blocks[-1].feedforward.parameters() if weight.ndim == 2]
    return float(matrices[-1].grad.norm())


GRADIENTS = {
    "norm-gradients": Replication(
        "Xiong et al. 2020",
        "at first the last layer's gradient is flat in depth post-norm, depth^-0.5 pre-norm",
        norm_gradients,
    ),
}
