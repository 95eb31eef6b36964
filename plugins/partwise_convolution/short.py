"""Short convolutions over time as mixers.

Shapes: B batch, T positions, C width, K positions that a convolution sees.
"""

from __future__ import annotations

from torch import Tensor, nn

from partwise.modules import CausalConvolution, Flow, State


class GatedConvolution(nn.Module):
    """y_t = W_o (c_t * conv(b * v)_t) with b_t, c_t, v_t = W_i x_t, x and y [B, T, C].

    A state is {"inputs": [B, K - 1, C]}.
    """

    def __init__(self, width: int, kernel: int, bias: bool) -> None:
        super().__init__()
        self.input = nn.Linear(width, 3 * width, bias=bias)
        self.input.stacked = [width] * 3  # type: ignore[assignment]
        self.convolution = CausalConvolution(width, kernel, bias)
        self.output = nn.Linear(width, width, bias=bias)
        self.output.ends_residual_branch = True  # type: ignore[assignment]

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        before, after, value = self.input(x).chunk(3, -1)
        return self.output(after * self.convolution(before * value, flow, state))

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return self.convolution.empty_state(batch, length, like)
