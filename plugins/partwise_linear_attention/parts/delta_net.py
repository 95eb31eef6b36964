"""DeltaNet, and Gated DeltaNet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self

from pydantic import NonNegativeInt, PositiveFloat

from partwise import use
from partwise.parts import LayerSite

from .backend import WithKernels

if TYPE_CHECKING:
    from partwise_linear_attention.delta_net import DeltaNet as DeltaModule
    from partwise_linear_attention.gated_delta_net import GatedDeltaNet as GatedModule

LARGEST = {"positive": 1.0, "any": 2.0}


class DeltaNet(WithKernels):
    """Linear attention that replaces what a key holds, by the delta rule (Yang et al. 2024, arXiv:2406.06484).

        q_t, k_t, v_t = silu(convolution(linear map of x))_t; q_t and k_t divided by their lengths
        S_t = (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T,   o_t = S_t^T q_t,   beta_t = sigmoid(W_beta x_t)
        y_t = W_o norm(o_t)

    (section 2.2 and 3.4; in training, sections 3.2 and 3.3). Trained by chunks with matrix products and decoded step by
    step, with a state that does not grow. FLOPs count matrix products, not the triangular systems of the chunks.
    """

    name = "delta_net"
    formulas = (
        r"S_t = (I - \beta_t k_t k_t^\top)\, S_{t-1} + \beta_t k_t v_t^\top",
        r"o_t = S_t^\top q_t, \quad \beta_t = \sigma(W_\beta x_t)",
        r"y_t = W_o \operatorname{norm}(o_t)",
    )

    convolution: NonNegativeInt = 4
    """Taps of the causal convolution of queries, keys and values; 0 means none."""
    eigenvalues: Literal["positive", "any"] = "positive"
    """What a step does to the memory along its key: shrink it (beta from 0 to 1), or any, turn it around as well (beta
    from 0 to 2), without which parity cannot be learnt (Grazzi et al. 2024, arXiv:2411.12537)."""

    def build(self, site: LayerSite) -> DeltaModule:
        from partwise_linear_attention.delta_net import DeltaNet

        self._refuse_backend()
        heads = self._heads(site)
        return DeltaNet(site.width, heads, self.convolution, LARGEST[self.eigenvalues], self._norm(heads), self.backend)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(heads=2),
            cls(
                heads=1,
                key_ratio=0.5,
                value_ratio=2.0,
                convolution=0,
                eigenvalues="any",
                norm=use("layer_norm"),
                backend="auto",
            ),
        )


class GatedDeltaNet(DeltaNet):
    """The delta rule with a decay, in a memory that can also be cleared at once (Yang et al. 2024, arXiv:2412.06464).

        S_t = alpha_t (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T,   o_t = S_t^T q_t
        alpha_t = exp(-exp(a) * softplus(W_alpha x_t + b)),   y_t = W_o (silu(W_g x_t) * norm(o_t))

    (equation 10 and section 3.4), with q, k, v and beta as in `delta_net`.
    """

    name = "gated_delta_net"
    formulas = (
        r"S_t = \alpha_t (I - \beta_t k_t k_t^\top)\, S_{t-1} + \beta_t k_t v_t^\top",
        r"\alpha_t = \exp(-e^{a} \operatorname{softplus}(W_\alpha x_t + b))",
        r"o_t = S_t^\top q_t, \quad y_t = W_o (\operatorname{silu}(W_g x_t) \odot \operatorname{norm}(o_t))",
    )

    key_ratio: PositiveFloat = 0.75
    """Features of all queries together, and of all keys, as a multiple of the width."""
    value_ratio: PositiveFloat = 1.5
    """Features of all values together, as a multiple of the width."""

    def build(self, site: LayerSite) -> GatedModule:
        from partwise_linear_attention.gated_delta_net import GatedDeltaNet

        self._refuse_backend()
        heads = self._heads(site)
        return GatedDeltaNet(
            site.width, heads, self.convolution, LARGEST[self.eigenvalues], self._norm(heads), self.backend
        )
