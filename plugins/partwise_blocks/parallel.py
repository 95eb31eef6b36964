"""x + f(norm(x)) + g(norm(x)): GPT-J (Wang & Komatsuzaki 2021), PaLM."""

from __future__ import annotations

from torch import Tensor, nn

from partwise.modules import Flow, Mixer, Residual, State, fed

from .branches import dropped, mixer_states


class ParallelBlock(nn.Module):
    """x + dropout(mixer(norm(x))) + dropout(feedforward(norm(x))): both branches read the same x.

    With `feedforward_norm` each branch has a norm of its own (GPT-NeoX); without, they share one (GPT-J, PaLM).
    """

    def __init__(
        self,
        mixer: Mixer,
        feedforward: nn.Module,
        norm: nn.Module,
        feedforward_norm: nn.Module | None,
        join: Residual,
        dropout: float,
    ) -> None:
        super().__init__()
        self.mixer = mixer
        self.feedforward = feedforward
        self.norm = norm
        self.feedforward_norm = feedforward_norm
        self.join = join
        self.dropout = dropout

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        read = self.join.read(x)
        h = self.norm(read)
        g = h if self.feedforward_norm is None else self.feedforward_norm(read)
        mixed = dropped(self, self.mixer(h, flow, state and state["mixer"]))
        return self.join.write(x, mixed + dropped(self, fed(self.feedforward, g, flow)))

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        return mixer_states(self.mixer, None, batch, length, memory_length, like)
