"""Differential attention."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Self

from annotated_types import Ge, Lt
from pydantic import PositiveInt

from partwise import PartError, use
from partwise.parts import LayerSite, WidthSite, slots

from .multi_head import MultiHeaded

if TYPE_CHECKING:
    from partwise_attention.multi_head import MultiHeadAttention


class Differential(MultiHeaded):
    """Differential attention: weights are the difference of two softmaxes, so that noise cancels (Ye et al. 2024)."""

    name = "differential"
    formulas = (
        r"\operatorname{head}_h = (1 - \lambda_0)\, \operatorname{norm}((A_1 - \lambda A_2)\, V_h)",
        r"A_n = \operatorname{softmax}\left(\frac{Q_{n,h} K_{n,h}^\top}{\sqrt{D}} + M\right), \quad n = 1, 2",
        r"\lambda = \exp(\lambda_{q_1} \cdot \lambda_{k_1}) - \exp(\lambda_{q_2} \cdot \lambda_{k_2}) + "
        r"\lambda_0",
    )
    known_failures = MappingProxyType(
        {"training_means_what_evaluation_does[1]": "heads are normalised after weights are dropped"}
    )

    heads: PositiveInt
    """Number of heads, each with two queries; about half of what a multi-head attention of equal width would have."""
    head_width: PositiveInt | None = None
    """Features of each head's values, an even number; its queries and keys have half as many. null means
    width / heads."""
    lambda_init: Annotated[float, Ge(0), Lt(1)] | None = None
    """How much of the second softmax is taken off at first; null means 0.8 - 0.6 exp(-0.3 l) in layer l of 0, 1, ..."""
    norm: slots.Norm = use("rms_norm")
    """The norm of each head's output; all heads share its weights."""

    def build(self, site: LayerSite) -> MultiHeadAttention:
        from partwise_attention.differential import Difference, DifferentialAttention, usual_lambda
        from partwise_attention.multi_head import Heads

        kv_heads, head_width = self._shape(site)
        if head_width % 2:
            raise PartError(
                f"a head of width {head_width} cannot be divided into two queries; choose heads or head_width so that "
                "its width is even"
            )
        lambda_init = usual_lambda(site.layer) if self.lambda_init is None else self.lambda_init
        difference = Difference(lambda_init, self.norm.assemble(WidthSite(head_width)))
        heads = Heads(2 * self.heads, 2 * kv_heads, head_width // 2)
        return self._assembled(partial(DifferentialAttention, difference=difference), site, heads, head_width)

    @classmethod
    def equals(cls) -> Iterable[tuple[Self, Self]]:
        plain = cls(heads=2)
        return (
            (plain, cls(heads=2, kv_heads=2)),
            (plain, cls(heads=2, head_width=8)),
            (plain, cls(heads=2, backend="eager")),
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(heads=2),
            cls(heads=4, kv_heads=2, lambda_init=0.3, norm=use("layer_norm"), dropout=0.2),
            cls(
                heads=2,
                head_width=12,
                bias=False,
                mask="causal",
                window=3,
                position=use("rope"),
                score=use("additive"),
                soft_cap=5.0,
                query_key_norm=use("rms_norm"),
                query_key_norm_over="width",
                query_key_norm_place="after_rotation",
                gate=use("sigmoid_gate"),
                backend="eager",
            ),
            # By themselves: sinks can bring a difference near 0, and its norm then magnifies what bfloat16 rounds.
            cls(heads=2, weighing=use("sinks")),
            cls(heads=2, head_width=4, values=use("value_residual"), projected=use("causal_head")),
        )
