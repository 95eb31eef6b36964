"""What every parametrisation must do, in a language model of attentions."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from partwise.assembly.build import assemble
from partwise.data.batch import Batch
from partwise.modules.parametrisation import scales_of
from partwise.parts.kinds import ModelPart
from partwise.parts.sites import ModelSite
from partwise.parts.slot import resolve_part
from partwise.testing.probes import drawn, tokens
from partwise.testing.registering import check
from partwise.testing.violation import require

V, T, HEADS = 17, 8, 2
WIDTHS = (32, 64, 128, 256)
RATE, UPDATES = 0.01, 4
STEEPEST = 0.35
"""Most that the logarithm of a coordinate's change may rise or fall per logarithm of the width. Where rates do not
follow the width it rises by 1 (logits) or 1/2; where they follow it twice over, it falls by as much."""


@check("parametrisation")
def at_its_base_it_changes_nothing(part: Any, site: Any) -> None:
    """A model of the width and depth at which it says so learns to the same bits as with the standard one."""
    base = part.base(site)
    one, other = (_trained(_model(parametrisation, base.width, base.depth)) for parametrisation in (part, None))
    for (name, mine), theirs in zip(one.named_parameters(), other.parameters(), strict=True):
        require(
            mine.equal(theirs), f"at its base, {name} differs from that of a standard model after {UPDATES} updates"
        )
    require(one(_batch()).equal(other(_batch())), "at its base, logits differ from those of a standard model")


@check("parametrisation", slow=True)
def coordinates_stay_flat_in_width(part: Any, site: Any) -> None:
    """What a few updates by Adam change in layers and logits neither grows nor vanishes with the width."""
    changes = [_changes(_model(part, width, part.base(site).depth)) for width in WIDTHS]
    for place in changes[0]:
        steepness = _slope([change[place] for change in changes])
        seen = ", ".join(f"{change[place]:.2g}" for change in changes)
        require(
            abs(steepness) < STEEPEST,
            f"at widths {', '.join(map(str, WIDTHS))}, {UPDATES} updates change {place} by {seen}: "
            f"about as the width to the power {steepness:.2f}",
        )


def _model(part: Any, width: int, depth: int) -> Any:
    layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": HEADS}}
    model: dict[str, Any] = {"use": "language_model", "width": width, "context": T, "blocks": (layer,), "depth": depth}
    if part is not None:
        model["parametrisation"] = part
    network: Any = resolve_part(ModelPart, model)
    return assemble(network, ModelSite(vocabulary=V), drawn(0))


def _batch() -> Batch:
    ids = tokens(8, T + 1, below=V)
    return Batch(ids[:, :-1], ids[:, 1:])


def _trained(model: Any) -> Any:
    """After some updates by Adam with the rates of the model's parametrisation."""
    scales, batch = scales_of(model), _batch()
    groups = [
        {"params": [weight], "lr": RATE * scales[name].rate, "eps": 1e-8 * scales[name].eps}
        for name, weight in model.named_parameters()
    ]
    optimizer = torch.optim.Adam(groups)
    for _ in range(UPDATES):
        optimizer.zero_grad()
        (model.loss(batch) / batch.scored).backward()
        optimizer.step()
    return model


def _changes(model: Any) -> dict[str, float]:
    """How far some updates move what each layer gives, and the logits, by root mean square."""
    before = _coordinates(model)
    after = _coordinates(_trained(model))
    return {place: float((after[place] - before[place]).square().mean().sqrt()) for place in before}


@torch.no_grad()
def _coordinates(model: Any) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    layers: list[nn.Module] = next(list(one) for one in model.modules() if isinstance(one, nn.ModuleList))
    for index, layer in enumerate(layers):
        layer.register_forward_hook(lambda _, __, output, index=index: seen.__setitem__(f"layer {index}", output))
    seen["the logits"] = model(_batch())
    for layer in layers:
        layer._forward_hooks.clear()
    return seen


def _slope(values: list[float]) -> float:
    """The power of the width by which the values grow, by least squares."""
    x = [math.log(width) for width in WIDTHS]
    y = [math.log(max(value, 1e-30)) for value in values]
    mean = sum(x) / len(x)
    return sum((one - mean) * two for one, two in zip(x, y, strict=True)) / sum((one - mean) ** 2 for one in x)
