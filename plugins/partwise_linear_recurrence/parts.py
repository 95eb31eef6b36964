"""The built-in linear recurrences: mixers whose state passes from position to position feature by feature.

In the equations u_t or x_t is what a mixer reads at t and h_t its state; sigma is the logistic function, and *
multiplies feature by feature. FLOPs count the projections; the recurrence itself, some 2 operations per feature, is no
matrix product and not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from annotated_types import Gt, Lt
from pydantic import FiniteFloat, PositiveFloat, PositiveInt

from partwise import PartError
from partwise.parts import LayerSite, MixerPart

if TYPE_CHECKING:
    from . import minimal
    from .rg_lru import RgLru as RgLruModule


class _LinearRecurrence(MixerPart):
    """Base of the linear recurrences."""

    expand: PositiveFloat = 1.0
    """Features inside, as a multiple of the model's width."""

    def _features(self, site: LayerSite) -> int:
        """How many features there are inside, if everything fits."""
        if site.reads_memory:
            raise PartError(f"{self.name} cannot read an encoder's states; put an attention here")
        features = round(self.expand * site.width)
        if features < 1 or abs(features - self.expand * site.width) > 1e-6 * features:
            raise PartError(
                f"expand {self.expand:g} times width {site.width} is no whole number of features; choose another expand"
            )
        return features


class RgLru(_LinearRecurrence):
    """Griffin's recurrent block: a convolution and a gated linear recurrence beside a gate (De et al. 2024).

        x_t, y_t = conv(W_x u)_t, gelu(W_y u_t)
        r_t, i_t = sigma(W_a x_t + b_a), sigma(W_i x_t + b_i)
        log a_t = -c r_t softplus(L)
        h_t = a_t * h_{t-1} + sqrt(1 - a_t^2) * (i_t * x_t)
        output_t = W_o (h_t * y_t)

    arXiv:2402.19427, equations 1 to 4. W_a and W_i are block-diagonal. As in the authors' code, the root is 1 at the
    first token of a text, and exp(-softplus(L)) begins between least_memory and most_memory.
    """

    name = "rg_lru"
    formulas = (
        r"r_t = \sigma(W_a x_t + b_a), \quad i_t = \sigma(W_i x_t + b_i)",
        r"\log(a_t) = -c\, r_t \odot \operatorname{softplus}(\Lambda)",
        r"h_t = a_t \odot h_{t-1} + \sqrt{1 - a_t^2} \odot (i_t \odot x_t)",
    )

    blocks: PositiveInt = 16
    """Blocks of the gates' matrices; features see only those of their own block."""
    kernel: PositiveInt = 4
    """Positions that the convolution before the recurrence sees, the present one included."""
    strength: PositiveFloat = 8.0
    """c: how much faster than it begins to, a feature may forget."""
    least_memory: Annotated[float, Gt(0), Lt(1)] = 0.9
    """Least share of its state that a feature keeps per position in the beginning, before c r_t is its exponent."""
    most_memory: Annotated[float, Gt(0), Lt(1)] = 0.999
    """Largest such share."""

    def build(self, site: LayerSite) -> RgLruModule:
        from .rg_lru import Memory, RgLru

        features = self._features(site)
        if features % self.blocks:
            raise PartError(
                f"blocks {self.blocks} does not divide the {features} features inside; choose one that does"
            )
        if self.least_memory > self.most_memory:
            raise PartError(
                f"least_memory {self.least_memory:g} is larger than most_memory {self.most_memory:g}; exchange them"
            )
        memory = Memory(self.strength, self.least_memory, self.most_memory)
        return RgLru(site.width, features, self.blocks, self.kernel, memory)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(),
            cls(expand=1.5, blocks=3, kernel=2, strength=2.0, least_memory=0.5, most_memory=0.8),
        )


class _Minimal(_LinearRecurrence):
    """Base of the two minimal recurrences."""

    positive: bool = True
    """Keep states above 0: g(n) = n + 1/2 for n >= 0, and sigma(n) below, as in the paper's form in logarithms; False:
    g(n) = n."""


class MinGru(_Minimal):
    """A gated recurrent unit whose gate does not see the state (Feng et al. 2024).

        z_t = sigma(W_z x_t + b_z)
        h_t = (1 - z_t) * h_{t-1} + z_t * g(W_n x_t + b_n)

    arXiv:2410.01201, section 3.1. The output is h_t; if expand is not 1, a linear layer brings it to the width.
    """

    name = "min_gru"
    formulas = (
        r"z_t = \sigma(W_z x_t + b_z)",
        r"h_t = (1 - z_t) \odot h_{t-1} + z_t \odot g(W_n x_t + b_n)",
    )

    def build(self, site: LayerSite) -> minimal.MinGru:
        from .minimal import MinGru

        return MinGru(site.width, self._features(site), self.positive, [0.0])

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(expand=1.5, positive=False)


class MinLstm(_Minimal):
    """A long short-term memory whose gates do not see the state and add up to one (Feng et al. 2024).

        f_t, i_t = sigma(W_f x_t + b_f), sigma(W_i x_t + b_i)
        h_t = f_t / (f_t + i_t) * h_{t-1} + i_t / (f_t + i_t) * g(W_n x_t + b_n)

    arXiv:2410.01201, section 3.2. The output is h_t; if expand is not 1, a linear layer brings it to the width.
    """

    name = "min_lstm"
    formulas = (
        r"f_t = \sigma(W_f x_t + b_f), \quad i_t = \sigma(W_i x_t + b_i)",
        r"h_t = \frac{f_t}{f_t + i_t} \odot h_{t-1} + \frac{i_t}{f_t + i_t} \odot g(W_n x_t + b_n)",
    )

    forget_bias: FiniteFloat = 0.0
    """First value of b_f; above 0 a feature begins by remembering."""

    def build(self, site: LayerSite) -> minimal.MinLstm:
        from .minimal import MinLstm

        return MinLstm(site.width, self._features(site), self.positive, [self.forget_bias, 0.0])

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(expand=0.5, positive=False, forget_bias=2.0)


PARTS = (RgLru, MinGru, MinLstm)
