"""The built-in feed-forwards: what transforms each position on its own, between two linear layers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, Self

from annotated_types import Ge, Lt
from pydantic import PositiveFloat, PositiveInt

from partwise.parts import FeedForwardPart, LayerSite

if TYPE_CHECKING:
    from .feedforward import FeedForward
    from .gated import GatedFeedForward

GeluForm = Literal["exact", "tanh"]


class _FeedForward(FeedForwardPart):
    """What all feed-forwards share."""

    hidden: PositiveInt | None = None
    """Features between the two layers; null means `ratio` times the width."""
    bias: bool = True
    """Whether the linear layers have biases."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Probability that a hidden feature is dropped in training."""


class _Plain(_FeedForward):
    ratio: PositiveFloat = 4.0
    """Hidden features per feature of the width, unless `hidden` gives their number."""

    def hidden_width(self, width: int) -> int:
        """Features between the two layers, for a width."""
        return self.hidden or max(1, round(self.ratio * width))


class _Gated(_FeedForward):
    bias: bool = False
    """Whether the linear layers have biases."""
    ratio: PositiveFloat = 8 / 3
    """Hidden features per feature of the width, unless `hidden` gives their number; 8/3 makes the three
    matrices as large as the two of an ungated layer at 4."""
    multiple_of: PositiveInt = 8
    """What `ratio` gives is rounded up to a multiple of this; hardware likes multiples of 8."""

    def hidden_width(self, width: int) -> int:
        """Features between the two layers, for a width."""
        return self.hidden or math.ceil(max(1, round(self.ratio * width)) / self.multiple_of) * self.multiple_of


class Relu(_Plain):
    """Two layers with a rectifier between: max(0, x W1 + b1) W2 + b2 (Vaswani et al. 2017)."""

    name = "relu"

    def build(self, site: LayerSite) -> FeedForward:
        import torch.nn.functional as F

        from .feedforward import FeedForward

        return FeedForward(site.width, self.hidden_width(site.width), F.relu, self.bias, self.dropout)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(ratio=2.0, bias=False), cls(hidden=12, dropout=0.2)


class ReluSquared(_Plain):
    """Two layers with a squared rectifier between: max(0, x W1 + b1)^2 W2 + b2 (Primer, So et al. 2021)."""

    name = "relu_squared"

    def build(self, site: LayerSite) -> FeedForward:
        from .feedforward import FeedForward, relu_squared

        return FeedForward(site.width, self.hidden_width(site.width), relu_squared, self.bias, self.dropout)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(ratio=2.0, bias=False), cls(hidden=12, dropout=0.2)


class Gelu(_Plain):
    """Two layers with a GELU between, x times the normal distribution function (Hendrycks & Gimpel 2016)."""

    name = "gelu"

    form: GeluForm = "exact"
    """The distribution function itself, or its approximation by a tanh (GPT-2)."""

    def build(self, site: LayerSite) -> FeedForward:
        from .feedforward import FeedForward, gelu

        return FeedForward(site.width, self.hidden_width(site.width), gelu(self.form), self.bias, self.dropout)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(ratio=2.0, bias=False, form="tanh"), cls(hidden=12, dropout=0.2)


class SwiGlu(_Gated):
    """Gated by a SiLU: (silu(x Wg) * x Wu) Wd (Shazeer 2020; Llama)."""

    name = "swiglu"

    def build(self, site: LayerSite) -> GatedFeedForward:
        import torch.nn.functional as F

        from .gated import GatedFeedForward

        return GatedFeedForward(site.width, self.hidden_width(site.width), F.silu, self.bias, self.dropout)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(ratio=2.0, multiple_of=5, bias=True), cls(hidden=12, dropout=0.2)


class GeGlu(_Gated):
    """Gated by a GELU: (gelu(x Wg) * x Wu) Wd (Shazeer 2020; Gemma with the tanh form)."""

    name = "geglu"

    form: GeluForm = "exact"
    """The normal distribution function itself, or its approximation by a tanh (Gemma)."""

    def build(self, site: LayerSite) -> GatedFeedForward:
        from .feedforward import gelu
        from .gated import GatedFeedForward

        return GatedFeedForward(site.width, self.hidden_width(site.width), gelu(self.form), self.bias, self.dropout)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(ratio=2.0, multiple_of=5, bias=True, form="tanh"), cls(hidden=12, dropout=0.2)


PARTS = (Relu, ReluSquared, Gelu, SwiGlu, GeGlu)
