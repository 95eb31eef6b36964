"""norm(x + f(x)): the first Transformer (Vaswani et al. 2017)."""

from __future__ import annotations

from torch import Tensor

from partwise.modules import Flow, State, fed

from .branches import Branches, dropped


class PostNormBlock(Branches):
    """norm(x + dropout(f(x))) for each branch f."""

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        h = self.mixer(self.mixer_join.read(x), flow, state and state["mixer"])
        x = self.mixer_norm(self.mixer_join.write(x, dropped(self, h)))
        if self.cross is not None:
            h = self.cross(self.cross_join.read(x), flow, state and state["cross"])
            x = self.cross_norm(self.cross_join.write(x, dropped(self, h)))
        if self.feedforward is not None:
            h = fed(self.feedforward, self.feedforward_join.read(x), flow)
            x = self.feedforward_norm(self.feedforward_join.write(x, dropped(self, h)))
        return x
