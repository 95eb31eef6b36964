"""x + f(norm(x)): GPT-2 (Radford et al. 2019); Xiong et al. 2020."""

from __future__ import annotations

from torch import Tensor

from partwise.modules import Flow, State

from .branches import Branches, dropped


class PreNormBlock(Branches):
    """x + dropout(f(norm(x))) for each branch f."""

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        x = x + dropped(self, self.mixer(self.mixer_norm(x), flow, state and state["mixer"]))
        if self.cross is not None:
            x = x + dropped(self, self.cross(self.cross_norm(x), flow, state and state["cross"]))
        if self.feedforward is not None:
            x = x + dropped(self, self.feedforward(self.feedforward_norm(x)))
        return x
