"""The built-in state-space mixers: linear recurrences with many states per feature, whose rates the text sets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from annotated_types import Gt
from pydantic import PositiveInt

from partwise import PartError
from partwise.parts import LayerSite, MixerPart

if TYPE_CHECKING:
    from .mamba import Mamba as MambaModule
    from .steps import Steps

Positive = Annotated[float, Gt(0)]


class _StateSpace(MixerPart):
    """Base of the state-space mixers."""

    expand: Positive = 2.0
    """Features inside, as a multiple of the model's width."""
    kernel: PositiveInt = 4
    """Positions that the convolution before the recurrence sees, the present one included."""
    bias: bool = False
    """Biases of the first and the last projection."""
    least_step: Positive = 0.001
    """Smallest step size, dt, with which features begin: the smaller, the longer they remember."""
    most_step: Positive = 0.1
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
        if features != self.expand * site.width:
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


PARTS = (Mamba,)
