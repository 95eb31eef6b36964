"""What the parts of attentions over heads have in common: what a query sees, from where, and what computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveFloat, PositiveInt, field_validator
from pydantic_core import PydanticCustomError

from partwise import PartError, use
from partwise.parts import AttentionPart, LayerSite, PositionPart, PositionSite, slots

from .heads import Probability
from .weighing import Weighing as WeighingSlot
from .weighing import WeighingSite

if TYPE_CHECKING:
    from partwise.modules import PositionEncoder, Visibility
    from partwise_attention.backends import Weighing
    from partwise_attention.weighing import Weigher


class Seeing(AttentionPart):
    """Base of attentions over heads."""

    mask: Literal["auto", "causal", "bidirectional"] = "auto"
    """Which way a position looks: auto follows its stack (a decoder looks back only, an encoder both ways)."""
    window: PositiveInt | None = None
    """Most positions seen, its own included (sliding window, Beltagy et al. 2020); null means all."""
    weighing: WeighingSlot = use("softmax")
    """How scores become weights."""
    position: slots.Position | None = None
    """A position encoder for this attention alone, which rotates or biases; null means the model's."""
    soft_cap: PositiveFloat | None = None
    """Bounds scores to (-cap, cap) by cap * tanh(score / cap), as Gemma 2 does; null means no bound."""
    dropout: Probability = 0.0
    """Probability that an attention weight is dropped in training."""
    backend: Literal["auto", "eager", "sdpa", "flex"] = "auto"
    """What computes the attention: auto takes the fastest that can; eager writes every step out; sdpa and flex are
    PyTorch's fused kernels. flex (FlexAttention) is the one for bias, window, cap and documents; it trains on a GPU
    only."""

    @field_validator("position")
    @classmethod
    def _acts_inside_attention(cls, position: PositionPart | None) -> PositionPart | None:
        if position is not None and position.acts == {"embed"}:
            raise PydanticCustomError(
                "position_outside",
                "{name} is added to the embedding, and an attention's own position must rotate or bias; "
                'give it to the model instead ("position" beside "blocks"), or use rope, alibi or t5_bias here',
                {"name": repr(position.name)},
            )
        return position

    def _visibility(self, site: LayerSite) -> Visibility:
        from partwise.modules import Visibility

        if site.causal and self.mask == "bidirectional":
            raise PartError("a bidirectional mask would show this model the tokens it must predict; use causal or auto")
        if site.reads_memory and (self.position is not None or self.window is not None or self.mask == "causal"):
            raise PartError(
                "position, window and a causal mask have no meaning over an encoder's states; leave them out"
            )
        return Visibility(site.causal if self.mask == "auto" else self.mask == "causal", self.window)

    def _own_position(self, site: LayerSite, heads: int, head_width: int) -> PositionEncoder | None:
        """Its own encoder; None if that is the model's, which is told the shape of the heads."""
        if self.position is not None:
            return self.position.assemble(PositionSite(site.width, site.context, heads, head_width, site.causal))
        if site.position is not None and not site.reads_memory:
            site.position.serve(heads, head_width)
        return None

    def _weigher(self, site: LayerSite, heads: int) -> Weigher:
        weigher: Weigher = self.weighing.assemble(WeighingSite(heads, site.context))
        return weigher

    def _kernels(self, weigher: Weigher, head_width: int) -> Weighing:
        """
        Raises:
            PartError: the backend asked for cannot do what other knobs ask for.
        """
        from partwise_attention.backends import NARROWEST, Weighing

        asked, mend = f"backend {self.backend!r}", 'use "auto", which takes it where it can'
        if self.backend in ("sdpa", "flex") and not weigher.fuses:
            raise PartError(f"{asked} computes a softmax, and weighing {self.weighing.name!r} is another; {mend}")
        if self.backend == "sdpa" and self.soft_cap is not None:
            raise PartError(f"{asked} has no soft_cap; leave soft_cap out, or {mend}")
        if self.backend == "flex" and self.dropout:
            raise PartError(f"{asked} drops no attention weights; set dropout to 0, or {mend}")
        if self.backend == "flex" and head_width < NARROWEST:
            raise PartError(f"{asked} needs heads of {NARROWEST} features or more, and these have {head_width}; {mend}")
        return Weighing(self.backend, self.soft_cap, self.dropout)

    def sees_order(self) -> bool:
        return super().sees_order() or self.window is not None or self.mask == "causal"
