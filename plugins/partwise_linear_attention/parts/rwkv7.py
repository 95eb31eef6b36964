"""The time mixing of RWKV-7."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import PositiveInt

from partwise import use
from partwise.parts import LayerSite, slots

from .heads import MatrixMemory

if TYPE_CHECKING:
    from partwise_linear_attention.rwkv7 import Rwkv7 as Module


class Rwkv7(MatrixMemory):
    """RWKV-7's time mixing: a memory that fades and is corrected by feature (Peng et al. 2025, arXiv:2503.14456).

        S_t = (diag(w_t) - (a_t * c_t) c_t^T) S_{t-1} + k_t v_t^T,   o_t = S_t^T r_t

    (section 4; the module's text has every equation). Decays w, rates a and directions c come from the input and the
    token before it. The mixing of values with those of the first layer is left out, and the group norm is a norm of
    each head, with one gain for all heads. Trained by chunks with matrix products and decoded step by step, with a
    state that does not grow. FLOPs count matrix products, not the triangular systems of the chunks.
    """

    name = "rwkv7"
    formulas = (
        r"S_t = (\operatorname{diag}(w_t) - (a_t \odot c_t)\, c_t^\top)\, S_{t-1} + k_t v_t^\top",
        r"o_t = S_t^\top r_t",
    )

    norm: slots.Norm = use("layer_norm")
    """Norm of what each head reads."""
    decay_rank: PositiveInt = 32
    """Features between the two maps from the input to the decays."""
    rate_rank: PositiveInt = 32
    """Features between the two maps from the input to the rates of correction."""
    gate_rank: PositiveInt = 64
    """Features between the two maps from the input to the output's gate."""

    def build(self, site: LayerSite) -> Module:
        from partwise_linear_attention.rwkv7 import Rwkv7

        heads = self._heads(site)
        ranks = {"decay": self.decay_rank, "rate": self.rate_rank, "gate": self.gate_rank}
        return Rwkv7(site.width, heads, ranks, self._norm(heads), 1 - site.layer / site.depth)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(heads=2, decay_rank=3, rate_rank=4, gate_rank=5),
            cls(heads=1, key_ratio=0.5, value_ratio=2.0, gate_rank=8, norm=use("rms_norm")),
        )
