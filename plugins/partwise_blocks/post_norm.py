"""norm(x + f(x)): the first Transformer (Vaswani et al. 2017)."""

from __future__ import annotations

from torch import Tensor

from partwise.modules import Flow, State

from .branches import Branches, dropped


class PostNormBlock(Branches):
    """norm(x + dropout(f(x))) for each branch f."""

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        x = self.mixer_norm(x + dropped(self, self.mixer(x, flow, state and state["mixer"])))
        if self.cross is not None:
            x = self.cross_norm(x + dropped(self, self.cross(x, flow, state and state["cross"])))
        if self.feedforward is not None:
            x = self.feedforward_norm(x + dropped(self, self.feedforward(x)))
        return x
