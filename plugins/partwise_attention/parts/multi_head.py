"""Multi-head attention: the one that models use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self

from pydantic import PositiveFloat, PositiveInt, field_validator
from pydantic_core import PydanticCustomError

from partwise import PartError, use
from partwise.parts import AttentionPart, HeadSite, LayerSite, PositionPart, PositionSite, WidthSite, slots

from .heads import Probability, equal_heads
from .scores import ScaledDot

if TYPE_CHECKING:
    from partwise.modules import PositionEncoder, Score
    from partwise_attention.backends import Weighing
    from partwise_attention.multi_head import MultiHeadAttention, QueryKeyNorms

Projection = Literal["query", "key", "value", "output"]


class MultiHead(AttentionPart):
    """Multi-head attention (Vaswani et al. 2017), self or cross, with grouped key/value heads on request."""

    name = "multi_head"

    heads: PositiveInt
    """Number of query heads."""
    kv_heads: PositiveInt | None = None
    """Number of key and value heads, a divisor of `heads` (Ainslie et al. 2023); null means `heads`."""
    head_width: PositiveInt | None = None
    """Features per head; null means width / heads."""
    bias: bool | tuple[Projection, ...] = True
    """Which projections have a bias: true for all, false for none, or a list of them."""
    mask: Literal["auto", "causal", "bidirectional"] = "auto"
    """Which way a position looks: auto follows its stack (a decoder looks back only, an encoder both ways)."""
    window: PositiveInt | None = None
    """Most positions seen, its own included (sliding window, Beltagy et al. 2020); null means all."""
    score: slots.Score = use("scaled_dot")
    """How well a query matches a key."""
    position: slots.Position | None = None
    """A position encoder for this attention alone, which rotates or biases; null means the model's."""
    query_key_norm: slots.Norm | None = None
    """Norm of queries and keys before they are rotated (Henry et al. 2020); null means none."""
    query_key_norm_over: Literal["head", "width"] = "head"
    """What `query_key_norm` spans: each head on its own, or all heads together."""
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

    def build(self, site: LayerSite) -> MultiHeadAttention:
        from partwise.modules import Visibility
        from partwise_attention.multi_head import Heads, MultiHeadAttention

        head_width = self.head_width or equal_heads(site.width, self.heads, or_else=", or set head_width")
        kv_heads = self.kv_heads or self.heads
        if self.heads % kv_heads:
            raise PartError(f"kv_heads {kv_heads} does not divide heads {self.heads}")
        if site.causal and self.mask == "bidirectional":
            raise PartError("a bidirectional mask would show this model the tokens it must predict; use causal or auto")
        self._refuse_order_over_memory(site)
        score: Score = self.score.assemble(HeadSite(self.heads, head_width))
        return MultiHeadAttention(
            width=site.width,
            heads=Heads(self.heads, kv_heads, head_width),
            score=score,
            biased=frozenset(Projection.__args__ if self.bias is True else self.bias or ()),  # type: ignore[attr-defined]
            memory_width=site.memory_width if site.reads_memory else None,
            visibility=Visibility(site.causal if self.mask == "auto" else self.mask == "causal", self.window),
            position=self._own_position(site, head_width),
            norms=self._norms(head_width, kv_heads),
            weighing=self._weighing(score, head_width),
        )

    def _refuse_order_over_memory(self, site: LayerSite) -> None:
        if site.reads_memory and (self.position is not None or self.window is not None or self.mask == "causal"):
            raise PartError(
                "position, window and a causal mask have no meaning over an encoder's states; leave them out"
            )

    def _own_position(self, site: LayerSite, head_width: int) -> PositionEncoder | None:
        if self.position is not None:
            where = PositionSite(site.width, site.context, self.heads, head_width, site.causal)
            return self.position.assemble(where)
        if site.position is not None and not site.reads_memory:
            site.position.serve(self.heads, head_width)
        return None

    def _norms(self, head_width: int, kv_heads: int) -> QueryKeyNorms | None:
        from partwise_attention.multi_head import QueryKeyNorms

        if self.query_key_norm is None:
            return None
        together = self.query_key_norm_over == "width"
        spans = (self.heads, kv_heads) if together else (1, 1)
        query, key = (self.query_key_norm.assemble(WidthSite(head_width * span)) for span in spans)
        return QueryKeyNorms(query, key, together)

    def _weighing(self, score: Score, head_width: int) -> Weighing:
        from partwise_attention.backends import NARROWEST, Weighing

        asked, mend = f"backend {self.backend!r}", 'use "auto", which takes it where it can'
        if self.backend in ("sdpa", "flex") and score.scale is None:
            raise PartError(f"{asked} needs a scaled dot product, and score {self.score.name!r} is another; {mend}")
        if self.backend == "sdpa" and self.soft_cap is not None:
            raise PartError(f"{asked} has no soft_cap; leave soft_cap out, or {mend}")
        if self.backend == "flex" and self.dropout:
            raise PartError(f"{asked} drops no attention weights; set dropout to 0, or {mend}")
        if self.backend == "flex" and head_width < NARROWEST:
            raise PartError(f"{asked} needs heads of {NARROWEST} features or more, and these have {head_width}; {mend}")
        return Weighing(self.backend, self.soft_cap, self.dropout)

    def sees_order(self) -> bool:
        return super().sees_order() or self.window is not None or self.mask == "causal"

    @classmethod
    def equals(cls) -> Iterable[tuple[Self, Self]]:
        plain = cls(heads=4)
        return (
            (plain, cls(heads=4, kv_heads=4)),
            (plain, cls(heads=4, head_width=4)),
            (plain, cls(heads=4, window=16)),
            (plain, cls(heads=4, bias=("query", "key", "value", "output"))),
            (plain, cls(heads=4, score=ScaledDot(scale=0.5))),
            (plain, cls(heads=4, soft_cap=1e6)),
            (plain, cls(heads=4, backend="eager")),
            (cls(heads=4, window=3), cls(heads=4, window=3, backend="eager")),
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(heads=4),
            cls(heads=4, kv_heads=2, head_width=6, bias=("query", "value"), window=3, backend="sdpa"),
            cls(heads=2, bias=False, score=use("additive"), soft_cap=5.0, mask="causal", backend="eager"),
            cls(heads=4, kv_heads=1, position=use("rope"), query_key_norm=use("rms_norm"), dropout=0.2),
            cls(heads=2, query_key_norm=use("layer_norm"), query_key_norm_over="width", position=use("alibi")),
        )
