"""What every router must do: choose among its experts, for each token by itself, and in the same way each time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from partwise.modules.routing import Routing
from partwise.parts.part import Part
from partwise.testing.probes import VOCABULARY, flow_over, numbers, routed, shaken, tokens
from partwise.testing.registering import check
from partwise.testing.violation import close_at_positions, require, skip

B, T = 4, 256


@check("router")
def it_chooses_among_its_experts(part: Part, site: Any) -> None:
    """Each choice is one of its experts, no token has one of them twice, and no weight is negative."""
    routing = _routing(shaken(part, site), site, numbers(B, T, site.width))
    experts, weights = routing.experts, routing.weights
    require(experts.shape == weights.shape, f"experts {tuple(experts.shape)} and weights {tuple(weights.shape)}")
    within = bool((experts >= 0).all()) and bool((experts < site.experts).all())
    require(within, f"it chooses an expert beyond the {site.experts} that there are")
    require(weights.isfinite().all() and (weights >= 0).all(), "a weight is negative, or not finite")
    owners = routing.tokens
    if owners is None:
        require(len(experts) == B * T, f"it routes {len(experts)} tokens of {B * T}")
        owners = torch.arange(B * T)[:, None].expand_as(experts)
    pairs = (owners * site.experts + experts).flatten()
    require(len(pairs.unique()) == len(pairs), "a token has the same expert twice")


@check("router")
def it_routes_each_position_by_itself(part: Part, site: Any) -> None:
    """Among a thousand tokens a token's shares depend on itself only, in training and in evaluation."""
    module, x, ids = shaken(part, site), numbers(B, T, site.width), tokens(B, T, below=VOCABULARY)
    with torch.no_grad():
        for mode in (False, True):
            whole = routed(module.train(mode), x, ids, site.experts)
            for row, t in [(index % B, index * 8 + 7) for index in range(32)]:
                here = (slice(row, row + 1), slice(t, t + 1))
                alone = routed(module, x[here], ids[here], site.experts)
                what = f"{'in training' if mode else 'in evaluation'}, position {t} by itself and among 1,024"
                close_at_positions(alone, whole[here], what)


@check("router")
def equal_scores_are_decided_alike(part: Part, site: Any) -> None:
    """Where all tokens are the same, and even where all scores are, each is routed as one of them is by itself."""
    module = shaken(part, site)
    if _routing(module, site, numbers(1, 2, site.width)).tokens is not None:
        skip("its experts choose among tokens, and so tell equal ones apart")
    for x in (torch.zeros(1, T, site.width), numbers(1, 1, site.width).expand(1, T, -1)):
        shares = routed(module, x, torch.ones(1, T, dtype=torch.long), site.experts)
        close_at_positions(shares, shares[:, :1].expand_as(shares), "equal tokens are routed differently")
        alone = routed(module, x[:, :1], torch.ones(1, 1, dtype=torch.long), site.experts)
        close_at_positions(alone, shares[:, :1], "a token alone, and among its equals")


def _routing(module: Any, site: Any, x: Tensor) -> Routing:
    ids = tokens(*x.shape[:2], below=VOCABULARY)
    routing: Routing = module(x, flow_over(x, ids))
    return routing
