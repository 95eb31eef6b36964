"""x + f(norm(x)): GPT-2 (Radford et al. 2019); Xiong et al. 2020."""

from __future__ import annotations

from torch import Tensor

from partwise.modules import Flow, State, fed

from .branches import Branches, dropped


class PreNormBlock(Branches):
    """x + dropout(f(norm(x))) for each branch f."""

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        h = self.mixer(self.mixer_norm(self.mixer_join.read(x)), flow, state and state["mixer"])
        x = self.mixer_join.write(x, dropped(self, h))
        if self.cross is not None:
            h = self.cross(self.cross_norm(self.cross_join.read(x)), flow, state and state["cross"])
            x = self.cross_join.write(x, dropped(self, h))
        if self.feedforward is not None:
            h = fed(self.feedforward, self.feedforward_norm(self.feedforward_join.read(x)), flow)
            x = self.feedforward_join.write(x, dropped(self, h))
        return x
