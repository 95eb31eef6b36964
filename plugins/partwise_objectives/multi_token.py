"""Predictions of further tokens, in two forms.

With h the model's vectors before its head, norm and layer those of the k-th further token:

    parallel    h_k = layer_k(h)                                        (Gloeckle et al. 2024, section 2)
    chained     h_k = layer_k(project_k [norm(h_{k-1}); norm(embedding of token t + k)]),  h_0 = h
                                                                        (DeepSeek-V3, equations 21 to 24)

Each predicts token t + 1 + k from norm(h_k) by the model's own head. The layers are a stack of their own: what the
model's layers share, they do not see.

Shapes: B batch, T positions, C width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from partwise.data import IGNORED, Batch
from partwise.modules import Block, Hidden, NextToken

NewNorm = Callable[[], nn.Module]
TERM = "further_tokens"
"""The name of the term, the mean over the further tokens of their losses in nats per token."""


class _FurtherTokens(NextToken):
    """Base of both forms."""

    def __init__(self, layers: Iterable[Block], norm: NewNorm, width: int, weight: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)  # type: ignore[arg-type]
        self.norms = nn.ModuleList(norm() for _ in self.layers)
        self.weight = weight

    def forward(self, hidden: Hidden, batch: Batch) -> Tensor:
        losses = []
        own = replace(hidden, flow=replace(hidden.flow, carried=hidden.flow.carried.of_another_stack()))
        for ahead, x in enumerate(self.vectors(own, batch), start=1):
            targets = moved_up(batch.targets, ahead, IGNORED)
            if batch.documents is not None:  # no document foretells the next
                same = moved_up(batch.documents, ahead, -1) == batch.documents
                targets = targets.where(same, IGNORED)
            nats = hidden.head.cross_entropy(self.norms[ahead - 1](x), targets)
            losses.append(nats / (targets != IGNORED).sum().clamp_min(1))
        hidden.flow.add_term(TERM, torch.stack(losses).mean(), self.weight)
        return super().forward(hidden, batch)

    def vectors(self, hidden: Hidden, batch: Batch) -> Iterator[Tensor]:
        """[B, T, C] for each further token."""
        raise NotImplementedError


class ParallelTokens(_FurtherTokens):
    """Each layer reads the model's vectors."""

    def vectors(self, hidden: Hidden, batch: Batch) -> Iterator[Tensor]:
        for layer in self.layers:
            yield layer(hidden.states, hidden.flow)


class ChainedTokens(_FurtherTokens):
    """Each layer reads the vectors of the one before, and the embedding of the token which that one predicts."""

    def __init__(self, layers: Iterable[Block], norm: NewNorm, width: int, weight: float) -> None:
        super().__init__(layers, norm, width, weight)
        self.state_norms = nn.ModuleList(norm() for _ in self.layers)
        self.token_norms = nn.ModuleList(norm() for _ in self.layers)
        self.projections = nn.ModuleList(nn.Linear(2 * width, width, bias=False) for _ in self.layers)

    def vectors(self, hidden: Hidden, batch: Batch) -> Iterator[Tensor]:
        x = hidden.states
        for index, layer in enumerate(self.layers):
            token = hidden.embed(moved_up(batch.tokens, index + 1, 0))
            pair = torch.cat((self.state_norms[index](x), self.token_norms[index](token)), dim=-1)
            x = layer(self.projections[index](pair), hidden.flow)
            yield x


def moved_up(ids: Tensor, ahead: int, fill: int) -> Tensor:
    """ids [B, T] with those `ahead` places on at each place, and `fill` where there are none."""
    kept = ids[:, ahead:]
    return torch.cat((kept, ids.new_full((ids.shape[0], ids.shape[1] - kept.shape[1]), fill)), dim=1)
