"""x + norm(f(norm(x))): CogView (Ding et al. 2021), Gemma 2."""

from __future__ import annotations

from torch import Tensor, nn

from partwise.modules import Flow, Mixer, State, fed

from .branches import NewJoint, NewNorm, dropped, mixer_states, optional


class SandwichBlock(nn.Module):
    """x + dropout(output_norm(f(norm(x)))) for each branch f."""

    def __init__(
        self,
        mixer: Mixer,
        cross: Mixer | None,
        feedforward: nn.Module | None,
        norm: NewNorm,
        join: NewJoint,
        dropout: float,
    ) -> None:
        super().__init__()
        self.mixer, self.mixer_norm, self.mixer_output_norm, self.mixer_join = mixer, norm(), norm(), join()
        self.cross, self.cross_norm, self.cross_output_norm = cross, optional(norm, cross), optional(norm, cross)
        self.cross_join = optional(join, cross)
        self.feedforward, self.feedforward_norm = feedforward, optional(norm, feedforward)
        self.feedforward_output_norm = optional(norm, feedforward)
        self.feedforward_join = optional(join, feedforward)
        self.dropout = dropout

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        h = self.mixer(self.mixer_norm(self.mixer_join.read(x)), flow, state and state["mixer"])
        x = self.mixer_join.write(x, dropped(self, self.mixer_output_norm(h)))
        if self.cross is not None:
            h = self.cross(self.cross_norm(self.cross_join.read(x)), flow, state and state["cross"])
            x = self.cross_join.write(x, dropped(self, self.cross_output_norm(h)))
        if self.feedforward is not None:
            h = fed(self.feedforward, self.feedforward_norm(self.feedforward_join.read(x)), flow)
            x = self.feedforward_join.write(x, dropped(self, self.feedforward_output_norm(h)))
        return x

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        return mixer_states(self.mixer, self.cross, batch, length, memory_length, like)
