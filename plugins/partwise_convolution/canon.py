"""Canon layers: x + conv(x), wherever a layer reads or computes features (Allen-Zhu 2025, arXiv:2512.17351).

Shapes: B batch, T positions, C width, K positions that a convolution sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from partwise.modules import CausalConvolution, Flow, State, fed


class Canon(nn.Module):
    """A mixer that reads x + conv(x) in place of x.

    A state is {"convolution": {"inputs": [B, K - 1, C]}, "mixer": the mixer's}.
    """

    def __init__(self, mixer: Any, width: int, kernel: int, bias: bool) -> None:
        super().__init__()
        self.convolution = CausalConvolution(width, kernel, bias)
        self.mixer = mixer

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        x = x + self.convolution(x, flow, state and state["convolution"])
        return self.mixer(x, flow, state and state["mixer"])

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        convolution = self.convolution.empty_state(batch, length, like)
        return {"convolution": convolution, "mixer": self.mixer.empty_state(batch, length, like)}


class CanonFeedForward(nn.Module):
    """A feed-forward f that reads x + conv(x) in place of x, and whose linear layers that read it give h + conv(h).

    A state has {"inputs": [B, K - 1, features]} for each convolution, by the path of its module.
    """

    def __init__(self, feedforward: Any, width: int, kernel: int, bias: bool, before: bool, within: bool) -> None:
        super().__init__()
        self.convolution = CausalConvolution(width, kernel, bias) if before else None
        self.feedforward = feedforward
        self.within = within
        if within:
            _give_convolutions(feedforward, kernel, bias)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        if self.convolution is not None:
            x = x + self.convolution(x, flow, None if state is None else state["convolution"])
        if not self.within:
            return fed(self.feedforward, x, flow)
        y: Tensor = self.feedforward(x, _Pass(flow, state))
        return y

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        own = {} if self.convolution is None else {"convolution": self.convolution}
        inner = {one.path: one.convolution for one in self.modules() if isinstance(one, _Convolved)}
        return {path: one.empty_state(batch, length, like) for path, one in (own | inner).items()}


@dataclass(frozen=True)
class _Pass:
    """What a feed-forward hands to its linear layers, as it does with groups of experts."""

    flow: Flow
    states: Mapping[str, Any] | None


class _Convolved(nn.Module):
    """h + conv(h), with h what a linear layer gives; h alone where that ends the branch."""

    def __init__(self, linear: nn.Linear, path: str, kernel: int, bias: bool) -> None:
        super().__init__()
        self.linear, self.path = linear, path
        self.convolution = CausalConvolution(linear.out_features, kernel, bias)

    def forward(self, x: Tensor, given: _Pass) -> Tensor:
        h: Tensor = self.linear(x)
        return h + self.convolution(h, given.flow, None if given.states is None else given.states[self.path])


class _AsItIs(nn.Module):
    """A linear layer that is handed what it does not need."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: Tensor, given: _Pass) -> Tensor:
        y: Tensor = self.linear(x)
        return y


def _give_convolutions(feedforward: nn.Module, kernel: int, bias: bool) -> None:
    found = {path: one for path, one in feedforward.named_modules() if isinstance(one, nn.Linear)}
    for path, linear in found.items():
        ends = getattr(linear, "ends_residual_branch", False)
        around = _AsItIs(linear) if ends else _Convolved(linear, path, kernel, bias)
        parent, _, name = path.rpartition(".")
        setattr(feedforward.get_submodule(parent), name, around)
