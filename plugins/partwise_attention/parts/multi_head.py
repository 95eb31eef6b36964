"""Multi-head attention: the one that models use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

from partwise import PartError, use
from partwise.parts import HeadSite, LayerSite, WidthSite, slots
from partwise.wording import many

from .gating import GateSite, HeadGate
from .heads import GroupedHeads
from .scores import ScaledDot
from .seeing import Seeing
from .values import Values, ValuesSite

if TYPE_CHECKING:
    from torch import nn

    from partwise.modules import Mixer, Score
    from partwise_attention.multi_head import Heads, MultiHeadAttention, QueryKeyNorms


class MultiHeaded(Seeing, GroupedHeads):
    """Base of multi_head and differential."""

    score: slots.Score = use("scaled_dot")
    """How well a query matches a key."""
    query_key_norm: slots.Norm | None = None
    """Norm of queries and keys (Henry et al. 2020); null means none."""
    query_key_norm_over: Literal["head", "each_head", "width"] = "head"
    """What `query_key_norm` spans: each head on its own, with the same weights (head) or with weights of its own
    (each_head), or all heads together (width)."""
    query_key_norm_place: Literal["before_rotation", "after_rotation"] = "before_rotation"
    """Whether `query_key_norm` acts before queries and keys are rotated by their position, or after it."""
    values: Values | None = None
    """What changes the values by what else the pass carries, such as `value_residual`; null means nothing."""
    projected: slots.Mixer | None = None
    """A mixer of queries, keys and values, side by side, whose output is added to them before anything else is done
    with them. {"use": "short_convolution", "gated": false} is Canon-B (Allen-Zhu 2025, arXiv:2512.17351); null means
    none."""
    gate: HeadGate | None = None
    """What scales the outputs of heads, such as `sigmoid_gate`; null means nothing."""

    def _assembled(
        self, build: Callable[..., MultiHeadAttention], site: LayerSite, heads: Heads, head_width: int
    ) -> MultiHeadAttention:
        """What `build` makes of all knobs; `head_width` is that of the heads' outputs."""
        visibility = self._visibility(site)
        score: Score = self.score.assemble(HeadSite(heads.query, heads.width, site.score_factor))
        if self.score.sees_order and site.reads_memory:
            raise PartError(
                f"score {self.score.name!r} counts from a query back to a key, and an encoder's states stand in "
                'another text; use "scaled_dot" here'
            )
        if self.backend in ("sdpa", "flex") and score.scale is None:
            raise PartError(
                f"backend {self.backend!r} needs a scaled dot product, and score {self.score.name!r} is another; "
                'use "auto", which takes it where it can'
            )
        weigher = self._weigher(site, heads.query)
        return build(
            width=site.width,
            heads=heads,
            score=score,
            biased=self._biased(),
            memory_width=site.memory_width if site.reads_memory else None,
            visibility=visibility,
            position=self._own_position(site, heads.query, heads.width),
            norms=self._norms(heads),
            weighing=self._kernels(weigher, heads.width),
            weigher=weigher,
            gate=self.gate and self.gate.assemble(GateSite(site.width, self.heads, head_width)),
            values=self._values(site, heads),
            projected=self._projected(site, heads),
        )

    def _projected(self, site: LayerSite, heads: Heads) -> Mixer | None:
        if self.projected is None:
            return None
        if site.reads_memory:
            raise PartError(
                f"projected {self.projected.name!r} has no meaning over an encoder's states, whose keys and values "
                "stand in another text; leave it out"
            )
        width = (heads.query + 2 * heads.key_value) * heads.width
        mixer: Mixer = self.projected.assemble(replace(site, width=width))
        return mixer

    def sees_order(self) -> bool:
        return super().sees_order() or self.score.sees_order or self.projected is not None

    def _values(self, site: LayerSite, heads: Heads) -> nn.Module | None:
        if self.values is None:
            return None
        if site.reads_memory:
            raise PartError(f"values {self.values.name!r} has no meaning over an encoder's states; leave it out")
        if self.values.shares:
            site.agree("values", f"{many(heads.key_value, 'key and value head')} of width {heads.width}")
        module: nn.Module = self.values.assemble(ValuesSite(site.layer, heads.key_value, heads.width))
        return module

    def _norms(self, heads: Heads) -> QueryKeyNorms | None:
        from partwise_attention.multi_head import QueryKeyNorms

        if self.query_key_norm is None:
            return None
        query, key = self._norm(heads.query, heads.width), self._norm(heads.key_value, heads.width)
        after = self.query_key_norm_place == "after_rotation"
        return QueryKeyNorms(query, key, self.query_key_norm_over == "width", after)

    def _norm(self, heads: int, width: int) -> nn.Module:
        from partwise_attention.per_head import PerHead

        assert self.query_key_norm is not None
        if self.query_key_norm_over == "each_head":
            return PerHead([self.query_key_norm.assemble(WidthSite(width)) for _ in range(heads)])
        together = self.query_key_norm_over == "width"
        return self.query_key_norm.assemble(WidthSite(width * heads if together else width))


class MultiHead(MultiHeaded):
    """Multi-head attention (Vaswani et al. 2017), self or cross, with grouped key/value heads on request."""

    name = "multi_head"
    formulas = (
        r"Y = [\operatorname{head}_1, \ldots, \operatorname{head}_H]\, W_o + b_o",
        r"\operatorname{head}_h = \operatorname{softmax}\left(\frac{Q_h K_h^\top}{\sqrt{D}} + M\right) V_h",
        r"Q_h = X W_h^q, \quad K_h = X W_h^k, \quad V_h = X W_h^v",
    )

    def build(self, site: LayerSite) -> MultiHeadAttention:
        from partwise_attention.multi_head import Heads, MultiHeadAttention

        kv_heads, head_width = self._shape(site)
        return self._assembled(MultiHeadAttention, site, Heads(self.heads, kv_heads, head_width), head_width)

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
            cls(
                heads=2,
                bias=False,
                score=use("additive"),
                soft_cap=5.0,
                mask="causal",
                gate=use("sigmoid_gate"),
                backend="eager",
            ),
            cls(
                heads=4,
                kv_heads=1,
                position=use("rope"),
                query_key_norm=use("rms_norm"),
                query_key_norm_place="after_rotation",
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
            cls(
                heads=4,
                kv_heads=2,
                query_key_norm=use("rms_norm"),
                query_key_norm_over="each_head",
                values=use("value_residual"),
                projected=use("causal_head"),
            ),
        )
