"""A hybrid head-wise mixture (Hymba, Dong et al. 2024): an attention and another mixer read the same input."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from partwise.modules import Attention, Flow, Mixer, State


class Hybrid(nn.Module):
    """y = output(scale_1 * norm_1(attention(x)) + scale_2 * norm_2(other(x))), with learned scales per feature.

    Dong et al. (2024, arXiv:2411.13676), section 2. There, both have no projection of their own behind them; here,
    mixers are whole, and end with theirs. Scales begin at 1/2.
    """

    def __init__(
        self, width: int, attention: Attention, other: Mixer, norms: tuple[nn.Module, nn.Module], bias: bool = False
    ) -> None:
        super().__init__()
        self.attention, self.other = attention, other
        self.attention_norm, self.other_norm = norms
        self.scales = nn.Parameter(torch.empty(2, width))
        self.output = nn.Linear(width, width, bias=bias)
        self.output.ends_residual_branch = True  # type: ignore[assignment]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.scales, 0.5)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        attended = self.attention_norm(self.attention(x, flow, state and state["attention"]))
        mixed = self.other_norm(self.other(x, flow, state and state["other"]))
        first, second = self.scales
        y: Tensor = self.output(first * attended + second * mixed)
        return y

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        both = {"attention": self.attention, "other": self.other}
        return {name: mixer.empty_state(batch, length, like) for name, mixer in both.items()}
