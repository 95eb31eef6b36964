"""Multi-head attention: the one that models use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self

from partwise import PartError, use
from partwise.parts import HeadSite, LayerSite, WidthSite, slots

from .heads import GroupedHeads
from .scores import ScaledDot
from .seeing import Seeing

if TYPE_CHECKING:
    from partwise.modules import Score
    from partwise_attention.multi_head import MultiHeadAttention, QueryKeyNorms


class MultiHead(Seeing, GroupedHeads):
    """Multi-head attention (Vaswani et al. 2017), self or cross, with grouped key/value heads on request."""

    name = "multi_head"

    score: slots.Score = use("scaled_dot")
    """How well a query matches a key."""
    query_key_norm: slots.Norm | None = None
    """Norm of queries and keys before they are rotated (Henry et al. 2020); null means none."""
    query_key_norm_over: Literal["head", "width"] = "head"
    """What `query_key_norm` spans: each head on its own, or all heads together."""

    def build(self, site: LayerSite) -> MultiHeadAttention:
        from partwise_attention.multi_head import Heads, MultiHeadAttention

        kv_heads, head_width = self._shape(site)
        visibility = self._visibility(site)
        score: Score = self.score.assemble(HeadSite(self.heads, head_width))
        if self.backend in ("sdpa", "flex") and score.scale is None:
            raise PartError(
                f"backend {self.backend!r} needs a scaled dot product, and score {self.score.name!r} is another; "
                'use "auto", which takes it where it can'
            )
        weigher = self._weigher(site, self.heads)
        return MultiHeadAttention(
            width=site.width,
            heads=Heads(self.heads, kv_heads, head_width),
            score=score,
            biased=self._biased(),
            memory_width=site.memory_width if site.reads_memory else None,
            visibility=visibility,
            position=self._own_position(site, self.heads, head_width),
            norms=self._norms(head_width, kv_heads),
            weighing=self._kernels(weigher, head_width),
            weigher=weigher,
        )

    def _norms(self, head_width: int, kv_heads: int) -> QueryKeyNorms | None:
        from partwise_attention.multi_head import QueryKeyNorms

        if self.query_key_norm is None:
            return None
        together = self.query_key_norm_over == "width"
        spans = (self.heads, kv_heads) if together else (1, 1)
        query, key = (self.query_key_norm.assemble(WidthSite(head_width * span)) for span in spans)
        return QueryKeyNorms(query, key, together)

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
            (cls(heads=4, weighing=use("sinks")), cls(heads=4, weighing=use("sinks"), backend="eager")),
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(heads=4),
            cls(
                heads=4,
                kv_heads=2,
                head_width=6,
                bias=("query", "value"),
                window=3,
                weighing=use("sinks"),
                backend="sdpa",
            ),
            cls(heads=2, bias=False, score=use("additive"), soft_cap=5.0, mask="causal", backend="eager"),
            cls(
                heads=4,
                kv_heads=1,
                position=use("rope"),
                query_key_norm=use("rms_norm"),
                weighing=use("sigmoid"),
                dropout=0.2,
            ),
            cls(
                heads=2,
                query_key_norm=use("layer_norm"),
                query_key_norm_over="width",
                position=use("alibi"),
                weighing=use("talking_heads"),
            ),
        )
