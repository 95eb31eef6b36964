"""The built-in feed-forwards: what transforms each position on its own, between two linear layers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, Self

from annotated_types import Ge, Lt
from pydantic import PositiveFloat, PositiveInt, model_validator

from partwise.parts import FeedForwardPart, LayerSite

if TYPE_CHECKING:
    from .feedforward import Activation, FeedForward
    from .gated import GatedFeedForward
    from .product_keys import ProductKeyMemory

GeluForm = Literal["exact", "tanh"]
ActivationName = Literal[
    "identity",
    "relu",
    "relu_squared",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "gelu_tanh",
    "gelu_sigmoid",
    "silu",
    "mish",
    "softplus",
    "sigmoid",
    "tanh",
    "sine",
]


class _FeedForward(FeedForwardPart):
    """Base of all feed-forwards."""

    hidden: PositiveInt | None = None
    """Features between the two layers; null means `ratio` times the width."""
    bias: bool = True
    """Whether the linear layers have biases."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Probability that a hidden feature is dropped in training."""

    def function(self) -> Activation:
        """What is applied to each hidden feature, or to each feature of the gate."""
        raise NotImplementedError


class _Plain(_FeedForward):
    """Base of those that widen, apply the activation, and narrow."""

    ratio: PositiveFloat = 4.0
    """Hidden features per feature of the width, unless `hidden` gives their number."""

    def hidden_width(self, width: int) -> int:
        """Features between the two layers, for a width."""
        return self.hidden or max(1, round(self.ratio * width))

    def build(self, site: LayerSite) -> FeedForward:
        from .feedforward import FeedForward

        return FeedForward(site.width, self.hidden_width(site.width), self.function(), self.bias, self.dropout)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(ratio=2.0, bias=False), cls(hidden=12, dropout=0.2)


class _Gated(_FeedForward):
    """Base of those whose activation decides how much of another linear layer passes."""

    bias: bool = False
    """Whether the linear layers have biases."""
    ratio: PositiveFloat = 8 / 3
    """Hidden features per feature of the width, unless `hidden` gives their number; 8/3 makes the three
    matrices as large as the two of an ungated layer at 4."""
    multiple_of: PositiveInt = 8
    """What `ratio` gives is rounded up to a multiple of this; hardware is fastest at multiples of 8."""

    def hidden_width(self, width: int) -> int:
        """Features between the two layers, for a width."""
        return self.hidden or math.ceil(max(1, round(self.ratio * width)) / self.multiple_of) * self.multiple_of

    def build(self, site: LayerSite) -> GatedFeedForward:
        from .gated import GatedFeedForward

        return GatedFeedForward(site.width, self.hidden_width(site.width), self.function(), self.bias, self.dropout)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(ratio=2.0, multiple_of=5, bias=True), cls(hidden=12, dropout=0.2)


class Relu(_Plain):
    """Two layers with a rectifier between: max(0, x W1 + b1) W2 + b2 (Vaswani et al. 2017)."""

    name = "relu"
    formulas = (r"y = \max(0, x W_1 + b_1)\, W_2 + b_2",)

    def function(self) -> Activation:
        import torch.nn.functional as F

        return F.relu


class ReluSquared(_Plain):
    """Two layers with a squared rectifier between: max(0, x W1 + b1)^2 W2 + b2 (Primer, So et al. 2021)."""

    name = "relu_squared"
    formulas = (r"y = \max(0, x W_1 + b_1)^2\, W_2 + b_2",)

    def function(self) -> Activation:
        from .feedforward import relu_squared

        return relu_squared


class Gelu(_Plain):
    """Two layers with a GELU between, x times the normal distribution function (Hendrycks & Gimpel 2016)."""

    name = "gelu"
    formulas = (
        r"y = \operatorname{gelu}(x W_1 + b_1)\, W_2 + b_2",
        r"\operatorname{gelu}(z) = z\, \Phi(z) = \frac{z}{2}\left(1 + "
        r"\operatorname{erf}\left(\frac{z}{\sqrt{2}}\right)\right)",
    )

    form: GeluForm = "exact"
    """exact: the distribution function itself. tanh: an approximation of it (GPT-2)."""

    def function(self) -> Activation:
        from .feedforward import gelu

        return gelu(self.form)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        first, second, third = super().examples()
        return first, second.model_copy(update={"form": "tanh"}), third


class SwiGlu(_Gated):
    """Gated by a SiLU: (silu(x Wg) * x Wu) Wd (Shazeer 2020; Llama)."""

    name = "swiglu"
    formulas = (
        r"y = (\operatorname{silu}(x W_g) \odot x W_u)\, W_d",
        r"\operatorname{silu}(z) = z\, \sigma(z) = \frac{z}{1 + e^{-z}}",
    )

    def function(self) -> Activation:
        import torch.nn.functional as F

        return F.silu


class ClampedSwiGlu(_Gated):
    """SwiGLU within limits: (g sigmoid(1.702 g) * (u + 1)) Wd, of clamped g = x Wg and u = x Wu (gpt-oss, OpenAI 2025).

    The limit keeps single features from growing beyond what half precision holds, as in the published model's code.
    """

    name = "clamped_swiglu"
    formulas = (
        r"y = (g\, \sigma(\alpha g) \odot (u + 1))\, W_d, \quad \alpha = 1.702",
        r"g = \min(x W_g, L), \quad u = \min(\max(x W_u, -L), L)",
    )

    slope: PositiveFloat = 1.702
    """What the gate is multiplied by within the sigmoid; with 1.702 it is nearly a GELU."""
    limit: PositiveFloat = 7.0
    """Largest value of the gate, and of the other half either way."""

    def build(self, site: LayerSite) -> GatedFeedForward:
        from .clamped import ClampedGatedFeedForward

        return ClampedGatedFeedForward(
            site.width, self.hidden_width(site.width), self.slope, self.limit, self.bias, self.dropout
        )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        first, second, third = super().examples()
        return first, second.model_copy(update={"slope": 1.0}), third.model_copy(update={"limit": 0.3})


class GeGlu(_Gated):
    """Gated by a GELU: (gelu(x Wg) * x Wu) Wd (Shazeer 2020; Gemma with the tanh form)."""

    name = "geglu"
    formulas = (
        r"y = (\operatorname{gelu}(x W_g) \odot x W_u)\, W_d",
        r"\operatorname{gelu}(z) = z\, \Phi(z)",
    )

    form: GeluForm = "exact"
    """exact: the normal distribution function itself. tanh: an approximation of it (Gemma)."""

    def function(self) -> Activation:
        from .feedforward import gelu

        return gelu(self.form)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        first, second, third = super().examples()
        return first, second.model_copy(update={"form": "tanh"}), third


class Mlp(_Plain):
    """Two layers with any activation between: f(x W1 + b1) W2 + b2 (Vaswani et al. 2017 with another f)."""

    name = "mlp"
    formulas = (r"y = f(x W_1 + b_1)\, W_2 + b_2",)

    activation: ActivationName = "silu"
    """The function f of each hidden feature. gelu_tanh and gelu_sigmoid approximate gelu; identity is linear."""

    def function(self) -> Activation:
        from .activations import ACTIVATIONS

        return ACTIVATIONS[self.activation]

    @classmethod
    def examples(cls) -> Iterable[Self]:
        first, second, third = super().examples()
        return first, second.model_copy(update={"activation": "tanh"}), third


class Glu(_Gated):
    """A gated linear unit with any activation: (f(x Wg) * x Wu) Wd (Dauphin et al. 2017; Shazeer 2020)."""

    name = "glu"
    formulas = (r"y = (f(x W_g) \odot x W_u)\, W_d",)

    activation: ActivationName = "sigmoid"
    """The function f of each feature of the gate: sigmoid as first published, relu for ReGLU, identity for the bilinear
    layer; silu and gelu are `swiglu` and `geglu`."""

    def function(self) -> Activation:
        from .activations import ACTIVATIONS

        return ACTIVATIONS[self.activation]

    @classmethod
    def examples(cls) -> Iterable[Self]:
        first, second, third = super().examples()
        return first, second.model_copy(update={"activation": "identity"}), third


class ProductKeys(FeedForwardPart):
    """A memory of keys * keys values, of which each head reads the best k (Lample et al. 2019, arXiv:1907.05242).

        score of value (i, j) = q_1 . a_i + q_2 . b_j,   y = sum over heads of softmax(best k scores) . values

    (section 3). Many parameters, few operations: a token's cost grows with `keys`, the parameters with its square. The
    paper puts one such layer into a model, and trains its values at a rate of their own: the optimizer's
    {"rates": {"memory": ...}}. Queries are normed by themselves; the paper's batch norm would mix texts.
    """

    name = "product_key_memory"
    formulas = (
        r"s_{ij} = q_1 \cdot a_i + q_2 \cdot b_j",
        r"y = \sum_{h}\, \sum_{(i,j) \in \mathcal{T}_h} \frac{\exp(s_{ij})}{\sum_{(m,n) \in "
        r"\mathcal{T}_h} \exp(s_{mn})}\, v_{ij}",
        r"\mathcal{T}_h = \operatorname{top}_k(s)",
    )

    heads: PositiveInt = 4
    """Queries of each token, with keys of their own and values in common."""
    keys: PositiveInt = 128
    """Keys of each half, n: there are n * n values. The paper has 512, for 262,144 values."""
    k: PositiveInt = 32
    """Values that each head reads."""
    key_width: PositiveInt = 128
    """Features of a query: an even number, half of which each half of a key has."""
    query_norm: bool = True
    """Whether queries are brought to mean 0 and variance 1."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.k > self.keys:
            raise ValueError(f"k {self.k} is more than the {self.keys} keys of a half; make k smaller, or keys larger")
        if self.key_width % 2:
            raise ValueError(f"key_width {self.key_width} has no halves; make it {self.key_width + 1}")
        return self

    def build(self, site: LayerSite) -> ProductKeyMemory:
        from .product_keys import ProductKeyMemory

        return ProductKeyMemory(site.width, self.heads, self.keys, self.k, self.key_width, self.query_norm)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(keys=8, k=3, key_width=12), cls(heads=1, keys=5, k=5, key_width=6, query_norm=False)


PARTS = (Relu, ReluSquared, Gelu, SwiGlu, ClampedSwiGlu, GeGlu, Mlp, Glu, ProductKeys)
