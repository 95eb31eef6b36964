"""The built-in residual connections: how every branch of a model joins the stream.

In the formulas x is the stream, f(x) what a branch gives for it, and C the width.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from annotated_types import Ge, Le, Lt
from pydantic import FiniteFloat, PositiveFloat

from partwise.parts import ResidualPart, ResidualSite, WidthSite

if TYPE_CHECKING:
    from partwise.modules import Add

    from .first_stream import FirstStream, FirstStreamEnds
    from .hyper_connections import HyperConnection, Streams
    from .layer_scale import LayerScale
    from .rezero import ReZero
    from .scaled import Scaled
    from .stochastic_depth import StochasticDepth


class AddPart(ResidualPart):
    """The branch is added: x + f(x) (He et al. 2016)."""

    name = "add"
    formulas = (r"y = x + f(x)",)
    adds = True

    def build(self, site: ResidualSite) -> Add:
        from partwise.modules import Add

        return Add()


class ScaledPart(ResidualPart):
    """Constant factors for both: a x + b f(x) (with post_norm DeepNorm, Wang et al. 2022, arXiv:2203.00555).

    Granite's residual multiplier is b.
    """

    name = "scaled"
    formulas = (r"y = a\, x + b\, f(x)",)

    stream: PositiveFloat = 1.0
    """a, the factor of the stream."""
    branch: FiniteFloat = 1.0
    """b, the factor of what the branch gives."""

    def build(self, site: ResidualSite) -> Scaled:
        from .scaled import Scaled

        return Scaled(self.stream, self.branch)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(stream=1.5), cls(branch=0.22)


class LayerScalePart(ResidualPart):
    """A learned factor per feature: x + g f(x), with g small at first (CaiT, Touvron et al. 2021, arXiv:2103.17239)."""

    name = "layer_scale"
    formulas = (r"y = x + g \odot f(x)",)

    first: FiniteFloat = 0.1
    """First value of g; the paper takes 0.1 up to 18 layers, 1e-5 up to 24 and 1e-6 beyond."""

    def build(self, site: ResidualSite) -> LayerScale:
        from .layer_scale import LayerScale

        return LayerScale(site.width, self.first)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(first=1e-2)


class ReZeroPart(ResidualPart):
    """A learned factor that begins at 0: x + a f(x) (Bachlechner et al. 2021, arXiv:2003.04887)."""

    name = "rezero"
    formulas = (r"y = x + a\, f(x)",)

    def build(self, site: ResidualSite) -> ReZero:
        from .rezero import ReZero

        return ReZero()


class StochasticDepthPart(ResidualPart):
    """In training, a branch is left out for some texts: x + f(x) / (1 - p), or x (Huang et al. 2016, arXiv:1603.09382).

    p rises linearly with depth, from `drop` / depth in the first layer to `drop` in the last.
    """

    name = "stochastic_depth"
    formulas = (r"y = x + \frac{z}{1 - p} f(x), \quad z \sim \operatorname{Bernoulli}(1 - p)",)

    drop: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Probability p that a branch of the last layer is left out."""

    def build(self, site: ResidualSite) -> StochasticDepth:
        from .stochastic_depth import StochasticDepth

        return StochasticDepth(self.drop * (site.layer + 1) / site.depth)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(drop=0.5), cls(drop=0.8)


class FirstStreamPart(ResidualPart):
    """The stream is mixed with its first value before each branch: x' = a x + b x_0, then x' + f(x').

    This is the skip from the embedding in modded-nanogpt (Jordan et al. 2024), there once per layer.
    """

    name = "first_stream"
    formulas = (r"x' = a\, x + b\, x_0, \quad y = x' + f(x')",)
    wide = True

    stream: FiniteFloat = 1.0
    """First value of a, which is learned."""
    first: FiniteFloat = 0.0
    """First value of b, which is learned."""

    def build(self, site: ResidualSite) -> FirstStream:
        from .first_stream import FirstStream

        return FirstStream(self.stream, self.first)

    def build_ends(self, site: WidthSite) -> FirstStreamEnds:
        from .first_stream import FirstStreamEnds

        return FirstStreamEnds()

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(stream=0.9, first=0.2)


class HyperConnectionsPart(ResidualPart):
    """Several streams, which branches read, write and mix by learned weights (Zhu et al. 2025, arXiv:2409.19606)."""

    name = "hyper_connections"
    formulas = (
        r"h = A_m^\top H, \quad H' = A_r^\top H + B^\top f(h)",
        r"A_m = s_a \tanh(\bar{H} W_m) + A_m^0, \quad A_r = s_a \tanh(\bar{H} W_r) + A_r^0",
        r"B = s_b \tanh(\bar{H} W_b)^\top + B^0, \quad \bar{H} = \operatorname{norm}(H)",
    )
    wide = True

    streams: Annotated[int, Ge(1), Le(64)] = 4
    """Number of streams, the paper's expansion rate."""
    dynamic: bool = True
    """Whether the weights also depend on the streams themselves (DHC) or are learned numbers only (SHC)."""

    def build(self, site: ResidualSite) -> HyperConnection:
        from .hyper_connections import HyperConnection

        return HyperConnection(site.width, self.streams, site.branch % self.streams, self.dynamic)

    def build_ends(self, site: WidthSite) -> Streams:
        from .hyper_connections import Streams

        return Streams(self.streams)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(streams=2, dynamic=False), cls(streams=1, dynamic=False)


PARTS = (
    AddPart,
    ScaledPart,
    LayerScalePart,
    ReZeroPart,
    StochasticDepthPart,
    FirstStreamPart,
    HyperConnectionsPart,
)
