"""Multi-head latent attention."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from partwise import PartError, use
from partwise.parts import AttentionPart, LayerSite, PositionPart, WidthSite, slots

from .heads import equal_heads
from .seeing import Seeing

if TYPE_CHECKING:
    from partwise.modules import PositionEncoder
    from partwise_attention.latent import LatentAttention, LatentNorms, LatentShape


class _Ranks(AttentionPart):
    """The knobs that come first."""

    heads: PositiveInt
    """Number of heads."""
    kv_rank: PositiveInt
    """Features of the latent that keys and values of all heads are made of; decoding keeps it instead of them."""
    query_rank: PositiveInt | None = None
    """Features of the latent that queries are made of; null makes them from the input itself."""
    head_width: PositiveInt | None = None
    """Features of each head's queries and keys that have no position; null means width / heads."""
    rope_width: NonNegativeInt | None = None
    """Features of each head's queries, and of one key for all heads, that turn with their position; null means half of
    head_width, and 0 none, for positions that do not rotate."""
    value_width: PositiveInt | None = None
    """Features of each head's values; null means head_width."""
    norm: slots.Norm = use("rms_norm")
    """The norm of latents."""
    scale: PositiveFloat | None = None
    """Factor of the dot product; null means 1 / sqrt(head_width + rope_width)."""
    bias: bool = False
    """Whether the projections to latents and the output have a bias."""


class Latent(Seeing, _Ranks):
    """Multi-head latent attention, MLA, whose cache is one narrow latent per token (DeepSeek-V2, 2024)."""

    name = "latent"
    formulas = (
        r"c_t = \operatorname{norm}(W^{DKV} x_t), \quad [k_{t,h}; v_{t,h}] = W_h^{UKV} c_t",
        r"k^R_t = R_t\, W^{KR} x_t, \quad q^R_{t,h} = R_t\, W_h^{QR} x_t",
        r"o_{t,h} = \sum_{j \le t} \operatorname{softmax}_j\left(\frac{q_{t,h} \cdot k_{j,h} + q^R_{t,h} "
        r"\cdot k^R_j}{\sqrt{N + P}}\right) v_{j,h}",
    )

    def build(self, site: LayerSite) -> LatentAttention:
        from partwise_attention.latent import LatentAttention

        shape = self._shape(site)
        visibility, weigher = self._visibility(site), self._weigher(site, self.heads)
        return LatentAttention(
            site.width,
            shape,
            self._norms(),
            query_rank=self.query_rank,
            scale=(self.scale or shape.query**-0.5) * site.score_factor,
            bias=self.bias,
            memory_width=site.memory_width if site.reads_memory else None,
            visibility=visibility,
            position=self._position(site, shape),
            weighing=self._kernels(weigher, shape.query),
            weigher=weigher,
        )

    def _shape(self, site: LayerSite) -> LatentShape:
        from partwise_attention.latent import LatentShape

        head_width = self.head_width or equal_heads(site.width, self.heads, or_else=", or set head_width")
        rope_width = head_width // 2 if self.rope_width is None else self.rope_width
        turning = 0 if site.reads_memory else rope_width  # an encoder's states have no positions here
        return LatentShape(self.heads, self.kv_rank, head_width, turning, self.value_width or head_width)

    def _norms(self) -> LatentNorms:
        from partwise_attention.latent import LatentNorms

        query = None if self.query_rank is None else self.norm.assemble(WidthSite(self.query_rank))
        return LatentNorms(self.norm.assemble(WidthSite(self.kv_rank)), query)

    def _position(self, site: LayerSite, shape: LatentShape) -> PositionEncoder | None:
        shared = None if site.position is None or site.reads_memory else site.position.part
        acting: PositionPart | None = self.position or shared  # type: ignore[assignment]
        if not shape.rotary and acting is not None and "rotate" in acting.acts:
            raise PartError(
                f"with rope_width 0 there is nothing for position {acting.name!r} to turn; set an even rope_width"
            )
        if shape.rotary % 2 and acting is not None and "rotate" in acting.acts:
            whence = "" if self.rope_width else ", half of head_width,"
            raise PartError(
                f"position {acting.name!r} turns features in pairs, and rope_width {shape.rotary}{whence} is odd; set "
                f"an even rope_width, such as {shape.rotary + 1}"
            )
        return self._own_position(site, self.heads, shape.rotary or shape.plain)

    @classmethod
    def equals(cls) -> Iterable[tuple[Self, Self]]:
        plain = cls(heads=4, kv_rank=6)
        return (
            (plain, cls(heads=4, kv_rank=6, head_width=4, rope_width=2, value_width=4)),
            (plain, cls(heads=4, kv_rank=6, backend="eager")),
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(heads=4, kv_rank=6),
            cls(
                heads=2,
                kv_rank=5,
                query_rank=7,
                head_width=6,
                rope_width=4,
                value_width=3,
                position=use("rope"),
                window=3,
                weighing=use("sinks"),
                scale=0.5,
                bias=True,
            ),
            cls(
                heads=2,
                kv_rank=6,
                rope_width=0,
                norm=use("layer_norm"),
                soft_cap=5.0,
                dropout=0.2,
                mask="causal",
                backend="eager",
            ),
        )
