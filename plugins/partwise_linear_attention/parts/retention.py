"""Multi-scale retention."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import PositiveFloat

from partwise import PartError, use
from partwise.parts import LayerSite, PositionSite, slots

from .backend import WithKernels

if TYPE_CHECKING:
    from partwise.modules import PositionEncoder
    from partwise_linear_attention.retention import Retention as Module
    from partwise_linear_attention.shape import Heads


class Retention(WithKernels):
    """Multi-scale retention: linear attention whose heads forget at fixed rates (Sun et al. 2023, arXiv:2307.08621).

        S_t = gamma_h S_{t-1} + k_t v_t^T,   o_t = S_t^T q_t / sqrt(K),   gamma_h = 1 - 2 ** (-5 - h), h = 0, 1, ...
        y_t = W_o (silu(W_g x_t) * norm(o_t))

    Queries and keys are turned by their position; turning and fading together are what the paper calls xPos (equations
    1 to 8). Its group norm is a norm of each head, with one gain for all heads. Trained by chunks with matrix products
    and decoded step by step, with a state that does not grow.
    """

    name = "retention"
    formulas = (
        r"S_t = \gamma_h S_{t-1} + k_t v_t^\top, \quad o_t = \frac{S_t^\top q_t}{\sqrt{K}}",
        r"\gamma_h = 1 - 2^{-5-h}, \quad h = 0, 1, \ldots",
        r"y_t = W_o (\operatorname{silu}(W_g x_t) \odot \operatorname{norm}(o_t))",
    )

    value_ratio: PositiveFloat = 2.0
    """Features of all values together, as a multiple of the width."""
    norm: slots.Norm = use("layer_norm")
    """Norm of what each head reads."""
    position: slots.Position | None = use("rope")
    """What turns queries and keys; null means the model's position."""

    def build(self, site: LayerSite) -> Module:
        from partwise_linear_attention.retention import Retention

        self._refuse_backend()
        heads = self._heads(site)
        return Retention(site.width, heads, self._norm(heads), self._position(site, heads), self.backend)

    def _position(self, site: LayerSite, heads: Heads) -> PositionEncoder | None:
        part = self.position or (None if site.position is None else site.position.part)
        if part is not None and "bias" in part.acts:
            whose = "the model's position" if self.position is None else f"position {self.position.name!r}"
            raise PartError(
                f"{whose} adds to the scores of an attention, and a retention has none; set its position to one that "
                'rotates, such as "rope"'
            )
        if self.position is not None:
            if "rotate" not in self.position.acts:
                raise PartError(
                    f"position {self.position.name!r} does not rotate queries and keys; use rope, or null for the "
                    "model's position"
                )
            where = PositionSite(site.width, site.context, heads.count, heads.key, site.causal)
            return self.position.assemble(where)
        if site.position is not None:
            site.position.serve(heads.count, heads.key)
        return None

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(heads=2),
            cls(heads=4, key_ratio=0.5, value_ratio=1.0, norm=use("rms_norm"), position=use("rope")),
            cls(heads=2, position=None, backend="auto"),
        )
