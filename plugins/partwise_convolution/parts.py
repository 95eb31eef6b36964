"""The built-in convolutions over time, short and long, as mixers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from annotated_types import Ge
from pydantic import PositiveFloat, PositiveInt

from partwise import PartError, use
from partwise.parts import LayerSite, MixerPart, slots

if TYPE_CHECKING:
    from partwise.modules import CausalConvolution

    from .canon import Canon as CanonModule
    from .canon import CanonFeedForward as CanonFeedForwardModule
    from .hyena import Hyena as HyenaModule
    from .short import GatedConvolution

Kernel = Annotated[int, Ge(2)]


class ShortConvolution(MixerPart):
    """A convolution over the last few positions, feature by feature, with a gate before it and one behind it (LFM2).

        b_t, c_t, v_t = W_i x_t
        y_t = W_o (c_t * conv(b * v)_t)

    As in LFM2 (Amini et al. 2025, arXiv:2511.23404), whose convolutions see 3 positions. Without gates, the projections
    go as well: y = conv(x), which leaves it to the feed-forward layer to mix features.
    """

    name = "short_convolution"
    formulas = (
        r"b_t, c_t, v_t = W_i x_t",
        r"y_t = W_o \left(c_t \odot \sum_{i=0}^{K-1} w_i \odot b_{t-i} \odot v_{t-i}\right)",
    )

    kernel: Kernel = 4
    """Positions that the convolution sees, the present one included."""
    gated: bool = True
    """Project the input to a value and two gates, and the output back. False: the convolution alone."""
    bias: bool = False
    """Learn a bias for the convolution and the projections."""

    def build(self, site: LayerSite) -> GatedConvolution | CausalConvolution:
        from partwise.modules import CausalConvolution

        from .short import GatedConvolution

        _refuse_memory(self, site)
        form = GatedConvolution if self.gated else CausalConvolution
        return form(site.width, self.kernel, self.bias)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(kernel=2, bias=True), cls(gated=False, kernel=3), cls(gated=False, bias=True)


class Canon(MixerPart):
    """Any mixer, to whose input a short convolution of itself is added: a Canon layer (Allen-Zhu 2025).

        y = mixer(x + conv(x))

    "Physics of Language Models: Part 4.1, Architecture Design and the Magic of Canon Layers", arXiv:2512.17351. Behind
    a block's norm, this is the paper's Canon-A. Canon-B is `multi_head` with `projected`; `canon_feedforward` has the
    others.
    """

    name = "canon"
    formulas = (
        r"y = \operatorname{mixer}(x + \operatorname{conv}(x))",
        r"\operatorname{conv}(x)_t = \sum_{i=0}^{K-1} w_i \odot x_{t-i}",
    )

    mixer: slots.Mixer
    """What reads the sum."""
    kernel: Kernel = 4
    """Positions that the convolution sees, the present one included."""
    bias: bool = False
    """Learn a bias for the convolution."""

    def build(self, site: LayerSite) -> CanonModule:
        from .canon import Canon

        _refuse_memory(self, site)
        return Canon(self.mixer.assemble(site), site.width, self.kernel, self.bias)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls.model_validate({"mixer": {"use": "multi_head", "heads": 2}}),
            cls.model_validate({"mixer": {"use": "short_convolution", "gated": False}, "kernel": 2, "bias": True}),
        )


class CanonFeedForward(MixerPart):
    """A feed-forward with Canon layers before it and within it, as a mixer (Allen-Zhu 2025).

        y = f(x + conv(x)),  where every linear layer of f that reads its input gives h + conv(h) in place of h

    arXiv:2512.17351. The first convolution is the paper's Canon-C, those within f, before the activation, its Canon-D.
    It is a mixer, for it remembers earlier positions. So a layer of the paper is two blocks, each without a
    feed-forward: one whose mixer is `canon` around an attention, and one whose mixer is this.
    """

    name = "canon_feedforward"
    formulas = (
        r"y = f(x + \operatorname{conv}(x)), \quad h' = h + \operatorname{conv}(h)",
        r"\operatorname{conv}(x)_t = \sum_{i=0}^{K-1} w_i \odot x_{t-i}",
    )

    feedforward: slots.FeedForward = use("gelu")
    """The feed-forward, f."""
    before: bool = True
    """Whether f reads the sum of its input and a convolution of that."""
    within: bool = True
    """Whether the linear layers of f that read its input have convolutions of what they give."""
    kernel: Kernel = 4
    """Positions that each convolution sees, the present one included."""
    bias: bool = False
    """Learn a bias for the convolutions."""

    def build(self, site: LayerSite) -> CanonFeedForwardModule:
        from .canon import CanonFeedForward

        _refuse_memory(self, site)
        if not (self.before or self.within):
            raise PartError(
                'without a convolution it is a feed-forward and no mixer; set "before" or "within", or give the block '
                "its feedforward"
            )
        inner = self.feedforward.assemble(site)
        if self.within and not getattr(inner, "takes_groups", False):
            raise PartError(
                f"feed-forward {self.feedforward.name!r} hands nothing to its linear layers (takes_groups), so that "
                'they can have no convolutions; set "within": false, or use one that does, such as "gelu" or "swiglu"'
            )
        return CanonFeedForward(inner, site.width, self.kernel, self.bias, self.before, self.within)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(),
            cls.model_validate({"feedforward": "swiglu", "before": False, "kernel": 2, "bias": True}),
            cls.model_validate({"feedforward": {"use": "relu", "ratio": 2.0}, "within": False}),
        )


class Hyena(MixerPart):
    """Convolutions as long as the text, whose filters a network computes, between gates (Poli et al. 2023).

        v, x^1, ..., x^N = conv(W_in u)
        z^1 = v
        z^{n+1}_t = x^n_t * (sum over s <= t of h^n_{t-s} * z^n_s + d^n * z^n_t)
        y_t = W_out z^{N+1}_t
        h^n_t = exp(-decay * t / context) * network(features of t)

    arXiv:2302.10866, definition 3.1, algorithms 1 to 3 and section 3.3. The authors' code has N - 1 long convolutions
    for order N; here, as in the paper, there are N. The long convolutions go by Fourier transforms of pieces. Such a
    filter is no finite recurrence: a decode step reads all that was read before, as attention does, and the state
    grows with the text. FLOPs count the projections and the network, not the long convolutions.
    """

    name = "hyena"
    formulas = (
        r"v, x^1, \ldots, x^N = \operatorname{conv}(W_{in} u), \quad z^1 = v",
        r"z^{n+1}_t = x^n_t \odot \left(\sum_{s=0}^{t} h^n_{t-s} \odot z^n_s + d^n \odot z^n_t\right)",
        r"h^n_t = e^{-\alpha t / T} \odot \operatorname{network}(t), \quad y_t = W_{out}\, z^{N+1}_t",
    )

    order: PositiveInt = 2
    """Long convolutions, N, each with a gate."""
    kernel: PositiveInt = 3
    """Positions that the short convolution sees, the present one included."""
    filter_layers: PositiveInt = 3
    """Layers with sines in the network that computes the filters; a linear one follows."""
    filter_width: PositiveInt = 64
    """Width of that network."""
    bands: PositiveInt = 16
    """Frequencies of the sines and cosines of the distance that it is given, beside the distance itself."""
    frequency: PositiveFloat = 14.0
    """First factor in the network's sines: the larger, the less smooth filters begin."""
    short_reach: PositiveFloat = 0.3
    """The filter that decays fastest is down to 1/100 after this share of the context."""
    long_reach: PositiveFloat = 1.5
    """The filter that decays slowest is down to 1/100 after this share of the context."""

    def build(self, site: LayerSite) -> HyenaModule:
        from .filters import FilterShape
        from .hyena import Hyena

        _refuse_memory(self, site)
        if self.short_reach > self.long_reach:
            raise PartError(
                f"short_reach {self.short_reach:g} is larger than long_reach {self.long_reach:g}; exchange them"
            )
        shape = FilterShape(
            site.context,
            self.filter_layers,
            self.filter_width,
            self.bands,
            self.frequency,
            self.short_reach,
            self.long_reach,
        )
        return Hyena(site.width, self.order, self.kernel, shape)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(filter_width=8, bands=2),
            cls(
                order=1,
                kernel=1,
                filter_layers=2,
                filter_width=6,
                bands=3,
                frequency=5.0,
                short_reach=0.5,
                long_reach=1.0,
            ),
            cls(order=3, filter_layers=1, filter_width=6, bands=1),
        )


def _refuse_memory(part: MixerPart, site: LayerSite) -> None:
    if site.reads_memory:
        raise PartError(f"{part.name} cannot read an encoder's states; put an attention here")


PARTS = (ShortConvolution, Canon, CanonFeedForward, Hyena)
