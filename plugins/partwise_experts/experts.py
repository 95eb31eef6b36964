"""A mixture of experts: several feed-forward layers, of which a router picks a few for each token.

Shapes: B batch, T positions, N = B * T tokens, C width, E experts, K experts for each token, M assignments.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from partwise.modules import Flow, Groups, Router, Routing, fed, groups_of


class Experts(nn.Module):
    """x [B, T, C] to the sum over the chosen experts of weight * expert(x), plus a shared expert's output.

    Assignments are sorted by expert, so that each expert computes its tokens and no others. With a `capacity`, an
    expert gives nothing in training for what is beyond capacity * M / E assignments, counted in the order of the batch.
    """

    reads_flow = True

    def __init__(
        self, router: Router, experts: nn.Module, count: int, shared: nn.Module | None, capacity: float | None
    ) -> None:
        super().__init__()
        self.router = router
        self.experts = experts
        self.count = count
        self.shared = shared
        self.capacity = capacity

    def forward(self, x: Tensor, flow: Flow) -> Tensor:
        routing = self.router(x, flow)
        chosen = routing.experts.flatten()
        order = chosen.argsort(stable=True)
        groups = groups_of(chosen[order], self.count)
        tokens = _tokens(routing)[order]
        weights = routing.weights.flatten()[order]
        if self.training:
            weights = self._within_capacity(weights, tokens, groups, flow)
            self._report(chosen, _tokens(routing), flow)
        given = self.experts(x.flatten(0, 1)[tokens], groups)
        result = _summed(given * weights[:, None].to(given.dtype), routing, tokens, order, x).view(x.shape)
        return result if self.shared is None else result + fed(self.shared, x, flow)

    def _within_capacity(self, weights: Tensor, tokens: Tensor, groups: Groups, flow: Flow) -> Tensor:
        """The weights, 0 for what is beyond an expert's capacity."""
        if self.capacity is None:
            return weights
        there = _there(tokens, flow)
        before = there.cumsum(0) - there
        firsts = torch.cat((groups.ends.new_zeros(1), groups.ends[:-1])).long()
        places = before - before[firsts.clamp_max(before.shape[0] - 1)][groups.layers]
        most = (there.sum() * self.capacity / self.count).ceil()
        dropped = (places >= most) * there
        flow.report("experts_dropped", dropped.sum() / there.sum().clamp_min(1))
        return weights * (places < most)

    def _report(self, chosen: Tensor, tokens: Tensor, flow: Flow) -> None:
        """Logs the share of the busiest expert (1 / E where all are alike) and the entropy of the shares, which is 1
        where all are alike and 0 where one expert gets all."""
        with torch.no_grad():
            there = _there(tokens, flow)
            loads = there.new_zeros(self.count).scatter_add(0, chosen, there)
            shares = loads / loads.sum().clamp_min(1)
            flow.report("experts_busiest", shares.max())
            entropy = -torch.special.xlogy(shares, shares).sum()
            flow.report("experts_entropy", entropy / math.log(max(self.count, 2)))

    def extra_repr(self) -> str:
        return f"experts={self.count}" + ("" if self.capacity is None else f", capacity={self.capacity:g}")


def _tokens(routing: Routing) -> Tensor:
    """[M], index of the token of each assignment."""
    if routing.tokens is not None:
        return routing.tokens
    count, each = routing.experts.shape
    return torch.arange(count, device=routing.experts.device)[:, None].expand(count, each).reshape(-1)


def _there(tokens: Tensor, flow: Flow) -> Tensor:
    """[M] float32, 1 for the assignments of tokens and 0 for those of padding."""
    if flow.counted is None:
        return torch.ones_like(tokens, dtype=torch.float32)
    return flow.counted.flatten()[tokens].float()


def _summed(given: Tensor, routing: Routing, tokens: Tensor, order: Tensor, x: Tensor) -> Tensor:
    """[N, C], for each token the sum of what its experts give, [M, C]."""
    if routing.tokens is not None:
        return given.new_zeros(x.shape[0] * x.shape[1], given.shape[-1]).index_add(0, tokens, given)
    places = torch.empty_like(order).scatter(0, order, torch.arange(order.shape[0], device=order.device))
    return given[places].view(-1, routing.experts.shape[1], given.shape[-1]).sum(1)
