"""The ladder: attention from its first lesson, one idea per rung, each a working mixer.

    SimpleAttention     softmax(X X^T) X: no weights at all
    RawHead             + three matrices W_q, W_k, W_v, as bare parameters; scores scaled by D^-1/2
    LinearHead          the same with linear layers, and their initialisation
    CausalHead          + a mask over the future, + dropout of the weights
    HeadWrapper         several CausalHeads side by side, and one linear layer over them
    (MultiHeadAttention the same in one fused projection)

The first three look both ways in an encoder and back only in a decoder. `factor` multiplies the scores of each, beside
their own scale.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from partwise.modules import Flow, Shown, State, Visibility

from .core import attend, empty_cache, join_heads, remember, weights_of
from .scores import DotScore


class SimpleAttention(nn.Module):
    """softmax(X X^T) X."""

    def __init__(self, width: int, causal: bool, factor: float = 1.0) -> None:
        super().__init__()
        self.width, self.visibility = width, Visibility(causal)
        self.score = DotScore(factor)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        head = x.unsqueeze(1)
        keys, values = remember(head, head, flow, state)
        return attend(head, keys, values, self.score, flow.mask(self.visibility).dense).squeeze(1)

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        head = x.unsqueeze(1)
        weights = weights_of(head, head, self.score, flow.mask(self.visibility).dense)
        return Shown(weights, head, _squeezed, adds_up=True)

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return empty_cache(batch, 1, length, self.width, like)


class RawHead(nn.Module):
    """softmax(X W_q (X W_k)^T / sqrt(D)) X W_v, with W [C, D] bare parameters."""

    def __init__(self, width: int, head_width: int, causal: bool, factor: float = 1.0) -> None:
        super().__init__()
        self.visibility, self.head_width = Visibility(causal), head_width
        self.query = nn.Parameter(torch.empty(width, head_width))
        self.key = nn.Parameter(torch.empty(width, head_width))
        self.value = nn.Parameter(torch.empty(width, head_width))
        self.score = DotScore(factor * head_width**-0.5)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for weight in (self.query, self.key, self.value):
            nn.init.normal_(weight, std=weight.shape[0] ** -0.5)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        x = x.unsqueeze(1)
        keys, values = remember(x @ self.key, x @ self.value, flow, state)
        return attend(x @ self.query, keys, values, self.score, flow.mask(self.visibility).dense).squeeze(1)

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        x = x.unsqueeze(1)
        weights = weights_of(x @ self.query, x @ self.key, self.score, flow.mask(self.visibility).dense)
        return Shown(weights, x @ self.value, _squeezed, adds_up=True)

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return empty_cache(batch, 1, length, self.head_width, like)


class LinearHead(nn.Module):
    """RawHead with `nn.Linear` for its three matrices, and dropout on the attention weights.

    query, key, value = x W_q^T, x W_k^T, x W_v^T
    y = softmax(query key^T / sqrt(D)) value, over the positions that are seen
    """

    def __init__(
        self,
        width: int,
        head_width: int,
        causal: bool,
        bias: bool = False,
        dropout: float = 0.0,
        factor: float = 1.0,
    ) -> None:
        super().__init__()
        self.visibility, self.head_width, self.dropout = Visibility(causal), head_width, dropout
        self.query = nn.Linear(width, head_width, bias=bias)
        self.key = nn.Linear(width, head_width, bias=bias)
        self.value = nn.Linear(width, head_width, bias=bias)
        self.score = DotScore(factor * head_width**-0.5)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        x = x.unsqueeze(1)
        keys, values = remember(self.key(x), self.value(x), flow, state)
        dropout = self.dropout if self.training else 0.0
        mask = flow.mask(self.visibility).dense
        return attend(self.query(x), keys, values, self.score, mask, dropout=dropout).squeeze(1)

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        x = x.unsqueeze(1)
        weights = weights_of(self.query(x), self.key(x), self.score, flow.mask(self.visibility).dense)
        return Shown(weights, self.value(x), _squeezed, adds_up=True)

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return empty_cache(batch, 1, length, self.head_width, like)


class HeadWrapper(nn.Module):
    """Heads side by side: y = output([head_1(x), ..., head_H(x)])."""

    def __init__(self, heads: list[LinearHead], width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.output = nn.Linear(sum(head.head_width for head in heads), width)
        self.output.ends_residual_branch = True  # type: ignore[assignment]

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        outputs = [head(x, flow, state and state[str(index)]) for index, head in enumerate(self.heads)]
        return self.output(torch.cat(outputs, dim=-1))

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        all_shown = [head.shown(x, flow) for head in self.heads.children()]  # type: ignore[operator]
        weights, values = (torch.cat([getattr(one, of) for one in all_shown], 1) for of in ("weights", "values"))
        return Shown(weights, values, lambda heads: self.output(join_heads(heads)), adds_up=True)

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return {name: head.empty_state(batch, length, like) for name, head in self.heads.named_children()}  # type: ignore[operator]


def _squeezed(heads: Tensor) -> Tensor:
    """What one head has mixed, [B, 1, T, D], is its output."""
    return heads.squeeze(1)
