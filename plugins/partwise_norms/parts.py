"""The built-in norms: what brings the features of each position to a common scale."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self

from pydantic import PositiveFloat, PositiveInt

from partwise import PartError, use
from partwise.parts import NormPart, WidthSite, slots

if TYPE_CHECKING:
    from torch import nn

    from .dense_norm import DenseNorm as DenseNormModule
    from .dynamic_tanh import DynamicTanh
    from .group_rms_norm import GroupRMSNorm
    from .layer_norm import OffsetLayerNorm
    from .rms_norm import RMSNorm
    from .scale_norm import ScaleNorm

_NOTHING_TO_OFFSET = 'without a gain there is nothing to offset: with "affine": false, leave "unit_offset" out'


class LayerNorm(NormPart):
    """Brings mean to 0 and variance to 1: (x - mean) / sqrt(var + eps) * gain + offset (Ba et al. 2016).

    The paper adds nothing to the deviation; libraries add eps under the root.
    """

    name = "layer_norm"
    formulas = (
        r"y_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}}\, g_i + b_i",
        r"\mu = \frac{1}{C}\sum_{j=1}^{C} x_j, \quad \sigma^2 = \frac{1}{C}\sum_{j=1}^{C} (x_j - \mu)^2",
    )

    eps: PositiveFloat = 1e-5
    """Added to the variance, under the root."""
    affine: bool = True
    """Learn a gain per feature."""
    bias: bool = True
    """Learn an offset per feature as well; needs `affine`."""
    unit_offset: bool = False
    """Learn the gain as its difference from 1, so that weight decay pulls it to 1, not 0 (LayerNorm1P of Nemotron);
    needs `affine`."""

    def build(self, site: WidthSite) -> nn.LayerNorm | OffsetLayerNorm:
        from torch import nn

        if self.bias and not self.affine:
            raise PartError('an offset goes with a gain: with "affine": false, set "bias" to false too')
        if self.unit_offset and not self.affine:
            raise PartError(_NOTHING_TO_OFFSET)
        if self.unit_offset:
            from .layer_norm import OffsetLayerNorm

            return OffsetLayerNorm(site.width, self.eps, self.bias)
        return nn.LayerNorm(site.width, eps=self.eps, elementwise_affine=self.affine, bias=self.bias)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield from (cls(), cls(eps=0.1), cls(bias=False), cls(affine=False, bias=False))
        yield from (cls(unit_offset=True), cls(unit_offset=True, eps=0.1, bias=False))


class RmsNorm(NormPart):
    """Brings the root mean square to 1: x / sqrt(mean(x^2) + eps) * gain (Zhang & Sennrich 2019)."""

    name = "rms_norm"
    formulas = (r"y_i = \frac{x_i}{\sqrt{\frac{1}{C}\sum_{j=1}^{C} x_j^2 + \varepsilon}}\, g_i",)

    eps: PositiveFloat = 1e-6
    """Added to the mean square, under the root."""
    affine: bool = True
    """Learn a gain per feature."""
    unit_offset: bool = False
    """Learn the gain as its difference from 1, so that weight decay pulls it to 1, not 0 (Gemma); needs `affine`."""

    def build(self, site: WidthSite) -> RMSNorm:
        from .rms_norm import RMSNorm

        if self.unit_offset and not self.affine:
            raise PartError(_NOTHING_TO_OFFSET)
        return RMSNorm(site.width, self.eps, self.affine, self.unit_offset)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(eps=0.1), cls(affine=False), cls(unit_offset=True)


class GroupRmsNorm(NormPart):
    """Brings the root mean square of each group of features to 1, as the mixers of Mamba-2 do (Dao & Gu 2024)."""

    name = "group_rms_norm"
    formulas = (r"y_i = \frac{x_i}{\sqrt{\frac{G}{C}\sum_{j \in \mathcal{G}(i)} x_j^2 + \varepsilon}}\, g_i",)

    groups: PositiveInt = 4
    """Groups of adjacent features, equally large; 1 is `rms_norm`."""
    eps: PositiveFloat = 1e-6
    """Added to the mean square, under the root."""
    affine: bool = True
    """Learn a gain per feature."""

    def build(self, site: WidthSite) -> GroupRMSNorm:
        from .group_rms_norm import GroupRMSNorm

        if site.width % self.groups:
            raise PartError(f"groups {self.groups} does not divide width {site.width}; make it a divisor of the width")
        return GroupRMSNorm(site.width, self.groups, self.eps, self.affine)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(groups=2, eps=0.1), cls(affine=False)


class Scale(NormPart):
    """Brings the length of the vector to one learned number g: g * x / max(|x|, eps) (Nguyen & Salazar 2019)."""

    name = "scale_norm"
    formulas = (r"y = g\, \frac{x}{\max(\lVert x \rVert, \varepsilon)}",)

    eps: PositiveFloat = 1e-5
    """Shortest length that a vector is divided by."""

    def build(self, site: WidthSite) -> ScaleNorm:
        from .scale_norm import ScaleNorm

        return ScaleNorm(site.width, self.eps)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(eps=100.0)


class Dyt(NormPart):
    """Dynamic tanh in place of a norm: tanh(alpha * x) * gain + offset, with a learned alpha (Zhu et al. 2025)."""

    name = "dyt"
    formulas = (r"y = g \odot \tanh(\alpha x) + b",)

    alpha: PositiveFloat = 0.5
    """First value of alpha, the slope of the tanh at 0."""

    def build(self, site: WidthSite) -> DynamicTanh:
        from .dynamic_tanh import DynamicTanh

        return DynamicTanh(site.width, self.alpha)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(alpha=1.0)


class DenseNorm(NormPart):
    """A linear layer and an activation before a norm, norm(f(x W + b)): the final norm of BERT (Devlin et al. 2019).

    Before its predictions, BERT (arXiv:1810.04805, section 3.1 and its code) transforms each vector once more.
    """

    name = "dense_norm"
    formulas = (r"y = \operatorname{norm}(f(x W + b))",)

    activation: Literal["gelu", "gelu_tanh", "relu"] = "gelu"
    """The function f of each feature."""
    norm: slots.Norm = use("layer_norm")
    """The norm of what it gives."""

    def build(self, site: WidthSite) -> DenseNormModule:
        from .dense_norm import DenseNorm as DenseNormModule

        return DenseNormModule(site.width, self.activation, self.norm.assemble(site))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(activation="relu", norm=use("rms_norm")), cls(activation="gelu_tanh")


class NoNorm(NormPart):
    """No norm: features pass as they are."""

    name = "none"
    formulas = (r"y = x",)

    def build(self, site: WidthSite) -> nn.Identity:
        from torch import nn

        return nn.Identity()


PARTS = (LayerNorm, RmsNorm, GroupRmsNorm, Scale, Dyt, DenseNorm, NoNorm)
