"""A hybrid of an attention and another mixer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from partwise import use
from partwise.parts import LayerSite, MixerPart, slots

if TYPE_CHECKING:
    from partwise_attention.hybrid import Hybrid as HybridModule


class Hybrid(MixerPart):
    """An attention and another mixer that read the same input, normalised and added (Hymba, Dong et al. 2024)."""

    name = "hybrid"
    formulas = (
        r"y = W_o\, (\beta_1 \odot \operatorname{norm}_1(\operatorname{attention}(x)) + \beta_2 \odot "
        r"\operatorname{norm}_2(\operatorname{other}(x)))",
    )

    attention: slots.Attention
    """The one mixer: an attention."""
    other: slots.Mixer
    """The other: a recurrence, a convolution, or an attention that sees something else."""
    norm: slots.Norm = use("rms_norm")
    """The norm of each mixer's output; each has weights of its own."""
    bias: bool = False
    """Whether the projection of the sum has a bias."""

    def build(self, site: LayerSite) -> HybridModule:
        from partwise_attention import hybrid

        attention, other = self.attention.assemble(site), self.other.assemble(site)
        norms = self.norm.assemble(site), self.norm.assemble(site)
        return hybrid.Hybrid(site.width, attention, other, norms, self.bias)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        narrow = {"use": "multi_head", "heads": 4, "window": 2}
        return (
            cls.model_validate({"attention": {"use": "multi_head", "heads": 2}, "other": narrow}),
            cls.model_validate(
                {
                    "attention": "causal_head",
                    "other": "linear_head",
                    "norm": "layer_norm",
                    "bias": True,
                }
            ),
        )
