"""Gated linear attention."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import PositiveFloat, PositiveInt

from partwise import use
from partwise.parts import LayerSite, slots

from .backend import WithKernels

if TYPE_CHECKING:
    from partwise_linear_attention.gated_linear_attention import GatedLinearAttention as Module


class GatedLinearAttention(WithKernels):
    """Linear attention whose memory fades feature by feature, as the input says (Yang et al. 2023, arXiv:2312.06635).

        alpha_t = sigmoid(W_2 W_1 x_t + b) ** (1 / gate_divisor)
        S_t = diag(alpha_t) S_{t-1} + k_t v_t^T,   o_t = S_t^T q_t / sqrt(K)
        y_t = W_o (silu(W_r x_t + b_r) * norm(o_t))

    (section 4; the paper's states are read from the left, o = q S). Trained by chunks with matrix products and decoded
    step by step, with a state that does not grow.
    """

    name = "gated_linear_attention"
    formulas = (
        r"S_t = \operatorname{diag}(\alpha_t)\, S_{t-1} + k_t v_t^\top",
        r"\alpha_t = \sigma(W_2 W_1 x_t + b)^{1/\tau}",
        r"o_t = \frac{S_t^\top q_t}{\sqrt{K}}",
        r"y_t = W_o (\operatorname{silu}(W_r x_t + b_r) \odot \operatorname{norm}(o_t))",
    )

    key_ratio: PositiveFloat = 0.5
    """Features of all queries together, and of all keys, as a multiple of the width."""
    norm: slots.Norm = use("layer_norm")
    """Norm of what each head reads."""
    gate_rank: PositiveInt = 16
    """Rank of the map from the input to the decays."""
    gate_divisor: PositiveFloat = 16.0
    """What the logarithms of the decays are divided by: the larger, the longer the memory."""

    def build(self, site: LayerSite) -> Module:
        from partwise_linear_attention.gated_linear_attention import GatedLinearAttention

        self._refuse_backend()
        heads = self._heads(site)
        return GatedLinearAttention(
            site.width, heads, self.gate_rank, self.gate_divisor, self._norm(heads), self.backend
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(heads=2, gate_rank=4),
            cls(heads=1, key_ratio=1.0, value_ratio=2.0, gate_divisor=4.0, norm=use("rms_norm"), backend="auto"),
        )
