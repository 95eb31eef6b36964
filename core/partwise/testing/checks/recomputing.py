"""What layers must do so that a trainer can compute them again in the backward pass (`Standard.recompute`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from partwise.modules.feeding import fed
from partwise.modules.flow import Flow
from partwise.modules.recomputing import layers_of, recompute
from partwise.parts.part import Part
from partwise.testing.cases import family
from partwise.testing.probes import (
    VOCABULARY,
    drawn,
    flow_of,
    flow_over,
    model_batch,
    numbers,
    seed_torch,
    shaken,
    tokens,
)
from partwise.testing.registering import check
from partwise.testing.violation import require, violated

from .mixers import memory_of

B, T = 3, 8


@check("mixer", "block", "feedforward", "model", per="place")
def it_can_be_computed_again(part: Part, site: Any) -> None:
    """Activation checkpointing changes nothing: outputs, gradients, terms, reports and buffers stay, to the bit."""
    for half in (False, True):
        kept, again = (_trained(part, site, computed_again, half) for computed_again in (False, True))
        named = (
            ("its output is another one", [kept.output], [again.output]),
            ("it adds other terms to the loss", *_values(kept.terms, again.terms)),
            ("it reports other figures", *_values(kept.reports, again.reports)),
            ("its buffers are left otherwise", *_values(kept.buffers, again.buffers)),
            ("its gradients are others", *_values(kept.gradients, again.gradients)),
        )
        for what, one, other in named:
            same = len(one) == len(other) and all(map(torch.equal, one, other))
            precision = ", in bfloat16" if half else ""
            require(same, f"where it is computed again in the backward pass{precision}, {what}")


@dataclass(frozen=True)
class _Left:
    """What two passes and their gradients leave."""

    output: Tensor
    terms: dict[str, list[Tensor]]
    reports: dict[str, list[Tensor]]
    buffers: dict[str, Tensor]
    gradients: dict[str, Tensor]


def _values(one: dict[str, Any], other: dict[str, Any]) -> tuple[list[Tensor], list[Tensor]]:
    """The tensors of both in one order; if not all names are in both, lists of unequal lengths."""
    if one.keys() != other.keys():
        return [], [torch.zeros(())]
    lists = ([found[name] for name in one] for found in (one, other))
    flat = [
        [tensor for value in values for tensor in (value if isinstance(value, list) else [value])] for values in lists
    ]
    return flat[0], flat[1]


def _trained(part: Part, site: Any, computed_again: bool, half: bool) -> _Left:
    module = shaken(part, site).train()
    if computed_again:
        for layer in list(layers_of(module)) if family(part) == "model" else [module]:
            recompute(layer)
    seed_torch(drawn(1))
    for _ in range(2):  # gradients add up, as those of accumulated batches do
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            output, flow = _pass(module, part, site)
            total = (output * numbers(*output.shape, seed=3)).sum()
            weighted = flow.carried.weighted()
            total = total if weighted is None else total + weighted
        if total.requires_grad:
            try:
                total.backward()
            except torch.utils.checkpoint.CheckpointError as error:
                violated(f"computed again in the backward pass it does other work: {str(error).partition('.')[0]}")
    terms = {name: [value.detach() for value, _ in told] for name, told in flow.carried.terms.items()}
    gradients = {name: one.grad for name, one in module.named_parameters() if one.grad is not None}
    return _Left(output.detach(), terms, flow.carried.reports, dict(module.named_buffers()), gradients)


def _pass(module: Any, part: Any, site: Any) -> tuple[Tensor, Flow]:
    kind = family(part)
    if kind == "model":
        hidden = module.hidden(model_batch(part, site, B, T))
        return hidden.states, hidden.flow
    x = numbers(B, T, site.width).requires_grad_()
    if kind == "feedforward":
        flow = flow_over(x, tokens(B, T, below=VOCABULARY))
        return fed(module, x, flow), flow
    flow = flow_of(0, T, memory_of(site))
    return module(x, flow), flow
