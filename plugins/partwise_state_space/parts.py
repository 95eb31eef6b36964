"""The built-in state-space mixers: linear recurrences with many states per feature, whose rates the text sets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import PositiveFloat, PositiveInt

from partwise import PartError
from partwise.parts import LayerSite, MixerPart

if TYPE_CHECKING:
    from .mamba import Mamba as MambaModule
    from .mamba2 import Mamba2 as Mamba2Module
    from .steps import Steps


class _StateSpace(MixerPart):
    """Base of the state-space mixers."""

    expand: PositiveFloat = 2.0
    """Features inside, as a multiple of the model's width."""
    kernel: PositiveInt = 4
    """Positions that the convolution before the recurrence sees, the present one included."""
    bias: bool = False
    """Biases of the first and the last projection."""
    least_step: PositiveFloat = 0.001
    """Smallest step size, dt, with which features begin: the smaller, the longer they remember."""
    most_step: PositiveFloat = 0.1
    """Largest step size with which features begin."""

    def _features(self, site: LayerSite) -> int:
        """How many features there are inside, if everything fits."""
        if site.reads_memory:
            raise PartError(f"{self.name} cannot read an encoder's states; put an attention here")
        if self.most_step < self.least_step:
            raise PartError(
                f"most_step {self.most_step:g} is smaller than least_step {self.least_step:g}; exchange them"
            )
        features = round(self.expand * site.width)
        if features < 1 or abs(features - self.expand * site.width) > 1e-6 * features:
            raise PartError(
                f"expand {self.expand:g} times width {site.width} is no whole number of features; choose another expand"
            )
        return features

    def _steps(self) -> Steps:
        from .steps import Steps

        return Steps(self.least_step, self.most_step)


class Mamba(_StateSpace):
    """Selective state space: a recurrence whose steps, inputs and outputs depend on the text (Gu & Dao 2023).

        x_t, z_t = W_in u_t
        x_t <- silu(conv(x)_t)
        r_t, B_t, C_t = W_x x_t
        dt_t = softplus(W_dt r_t + b_dt)
        h_t = exp(dt_t A) * h_{t-1} + dt_t B_t x_t
        y_t = W_out ((C_t . h_t + D * x_t) * silu(z_t))

    arXiv:2312.00752, section 3.4 and algorithm 2. A, kept as A = -exp(A_log), is diagonal: one number for each feature
    and each of its states. A large dt_t forgets and takes in x_t, a small one passes over it. Features begin as in the
    authors' code. FLOPs count the projections; the recurrence, some 9 operations for each number of the state, is no
    matrix product and not counted.
    """

    name = "mamba"
    formulas = (
        r"\Delta_t = \operatorname{softplus}(W_{dt}\, r_t + b_{dt}), \quad (r_t, B_t, C_t) = W_x x_t",
        r"h_t = \exp(\Delta_t A) \odot h_{t-1} + \Delta_t B_t x_t",
        r"y_t = W_{out} ((C_t \cdot h_t + D \odot x_t) \odot \operatorname{silu}(z_t))",
    )

    state: PositiveInt = 16
    """Numbers that each feature remembers, N."""
    step_rank: PositiveInt | None = None
    """Rank of the projection to step sizes. Left out: the width divided by 16, rounded up."""

    def build(self, site: LayerSite) -> MambaModule:
        from .mamba import Mamba

        rank = self.step_rank or -(-site.width // 16)
        return Mamba(site.width, self._features(site), self.state, rank, self.kernel, self.bias, self._steps())

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(),
            cls(state=3, expand=1.5, kernel=1, step_rank=2, bias=True, least_step=0.01, most_step=0.5),
        )


class Mamba2(_StateSpace):
    """State space with one rate per head, which a text passes through by matrix products (Dao & Gu 2024).

        z_t, (x, B, C)_t, d_t = W_in u_t
        x_t, B_t, C_t <- silu(conv(x, B, C)_t)
        dt_t = softplus(d_t + b_dt)
        h_t = exp(dt_t A) h_{t-1} + dt_t B_t x_t^T
        y_t = W_out norm((h_t^T C_t + D x_t) * silu(z_t))

    arXiv:2405.21060, section 7.1. A = -exp(A_log) and D are one number per head, -A drawn from 1 to 16 at first. The
    norm divides by the root mean square of a group's features. Training reads pieces of 64 positions as attention does
    and carries the state from piece to piece (section 6); FLOPs count those products, not the recurrence over pieces.
    """

    name = "mamba2"
    formulas = (
        r"\Delta_t = \operatorname{softplus}(d_t + b_{dt})",
        r"h_t = \exp(\Delta_t A)\, h_{t-1} + \Delta_t B_t x_t^\top",
        r"y_t = W_{out} \operatorname{norm}((h_t^\top C_t + D x_t) \odot \operatorname{silu}(z_t))",
    )

    state: PositiveInt = 128
    """Numbers that each feature remembers, N."""
    head_width: PositiveInt = 64
    """Features per head, P, which share one rate."""
    groups: PositiveInt = 1
    """Groups of heads; each has vectors B and C, and a norm, of its own."""
    eps: PositiveFloat = 1e-5
    """Added to the mean square in the norm, under the root."""

    def build(self, site: LayerSite) -> Mamba2Module:
        from .mamba2 import Mamba2, Shape

        features = self._features(site)
        if features % self.head_width:
            raise PartError(
                f"head_width {self.head_width} does not divide the {features} features inside (expand {self.expand:g} "
                f"times width {site.width}); choose one that does"
            )
        heads = features // self.head_width
        if heads % self.groups:
            raise PartError(
                f"groups {self.groups} does not divide the {heads} heads ({features} features inside, in heads of "
                f"{self.head_width}); choose a number that does"
            )
        shape = Shape(self.groups, heads // self.groups, self.head_width, self.state)
        return Mamba2(site.width, shape, self.kernel, self.bias, self.eps, self._steps())

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(head_width=8),
            cls(state=3, head_width=6, groups=2, expand=1.5, kernel=2, bias=True, eps=0.1),
            cls(state=5, head_width=32, least_step=0.01, most_step=0.5),
        )


PARTS = (Mamba, Mamba2)
