"""What scales the outputs of heads: a kind of part that attentions define."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from partwise import Part, Slot

if TYPE_CHECKING:
    from torch import Tensor, nn

    from partwise_attention.gating import SigmoidGating


@dataclass(frozen=True)
class GateSite:
    """The site of a gate, inside an attention."""

    width: int
    """Features of the attention's input, C."""
    heads: int
    """Query heads, H."""
    head_width: int
    """Features of a head's output, D."""


class HeadGatePart(Part):
    """Scales the outputs of heads by what the attention's input asks for."""

    kind = "head_gate"
    builds_module = True

    def build(self, site: GateSite) -> nn.Module:
        """A module from heads [B, H, T, D] and the attention's input [B, T, C] to heads [B, H, T, D]."""
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"attention": GateSite(width=16, heads=4, head_width=3)}

    def inputs(self, site: GateSite, rows: int, length: int) -> tuple[Tensor, Tensor]:
        from partwise.testing import numbers

        return numbers(rows, site.heads, length, site.head_width), numbers(rows, length, site.width, seed=2)


HeadGate = Annotated[HeadGatePart, Slot()]


class SigmoidGate(HeadGatePart):
    """Gated attention: outputs of heads times a logistic function of the attention's input (Qiu et al. 2025)."""

    name = "sigmoid_gate"
    formulas = (r"y' = y \odot \sigma(W x + b)",)

    per: Literal["feature", "head"] = "feature"
    """What has a gate of its own: each feature of each head, or each head."""
    bias: bool = False
    """Whether the gates' projection has a bias."""

    def build(self, site: GateSite) -> SigmoidGating:
        from partwise_attention.gating import SigmoidGating

        return SigmoidGating(site.width, site.heads, site.head_width, self.per, self.bias)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(per="head", bias=True)
