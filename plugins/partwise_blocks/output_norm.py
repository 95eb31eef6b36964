"""x + norm(f(x)): Swin Transformer V2 (Liu et al. 2021, arXiv:2111.09883), OLMo 2 (2024, arXiv:2501.00656)."""

from __future__ import annotations

from torch import Tensor

from partwise.modules import Flow, State, fed

from .branches import Branches, dropped


class OutputNormBlock(Branches):
    """x + dropout(norm(f(x))) for each branch f."""

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        h = self.mixer(self.mixer_join.read(x), flow, state and state["mixer"])
        x = self.mixer_join.write(x, dropped(self, self.mixer_norm(h)))
        if self.cross is not None:
            h = self.cross(self.cross_join.read(x), flow, state and state["cross"])
            x = self.cross_join.write(x, dropped(self, self.cross_norm(h)))
        if self.feedforward is not None:
            h = fed(self.feedforward, self.feedforward_join.read(x), flow)
            x = self.feedforward_join.write(x, dropped(self, self.feedforward_norm(h)))
        return x
