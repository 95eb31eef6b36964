"""Value residuals: the first attention's values, mixed into those of later ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from partwise import InputError
from partwise.modules import Flow

SHARED = "first values"
"""The name under which the first attention shares its values."""


class ValueResidual(nn.Module):
    """v_l = first * v_1 + own * v_l, with the values v_1 of the first attention of the stack.

    Zhou et al. (2024, arXiv:2410.17897), ResFormer: with 1/2 and 1/2 their "identity" form, and the
    "learnable" one if the two numbers are learned. Values are mixed before they are kept, so that a state holds mixed
    ones, and decoding needs the first attention's values of the tokens of one pass only.
    """

    def __init__(self, first: float, own: float, learned: bool) -> None:
        super().__init__()
        self.start = (first, own)
        self.weights = nn.Parameter(torch.empty(2)) if learned else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.weights is not None:
            with torch.no_grad():
                self.weights.copy_(torch.tensor(self.start))

    def forward(self, values: Tensor, flow: Flow) -> Tensor:
        """Values [B, K, T, D], mixed with those that the pass shares. If it shares none, these are the first.

        Raises:
            InputError: the first attention has values of another shape.
        """
        if SHARED not in flow.shared:
            flow.share(SHARED, values)
        shared = flow.shared[SHARED]
        if shared.shape != values.shape:
            theirs, ours = (f"{one.shape[1]} key and value heads of width {one.shape[3]}" for one in (shared, values))
            raise InputError(
                f"value_residual: the first attention has {theirs} and a later one {ours}; make them equal"
            )
        first, own = self.start if self.weights is None else self.weights.to(values.dtype)
        return first * shared + own * values

    def extra_repr(self) -> str:
        return f"first={self.start[0]:g}, own={self.start[1]:g}, learned={self.weights is not None}"


class FirstValues(nn.Module):
    """Shares the values of the first layer with later ones, and leaves them as they are."""

    def forward(self, values: Tensor, flow: Flow) -> Tensor:
        if SHARED not in flow.shared:
            flow.share(SHARED, values)
        return values
