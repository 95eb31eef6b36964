"""The built-in positions: how a model learns where a token stands.

They act in three places: on the embedding (learned, sinusoidal), by rotating queries and keys (rope), or as a
bias on attention's scores (alibi, t5_bias).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from annotated_types import Ge, Gt, Le
from pydantic import PositiveFloat, PositiveInt

from partwise import Part, PartError, Slot
from partwise.parts import PositionPart, PositionSite

if TYPE_CHECKING:
    from torch import Tensor

    from .alibi import LinearBiases
    from .encoder import Encoder
    from .frequencies import LinearScaling, Llama3Scaling, Scaling
    from .learned import LearnedPositions
    from .rotary import RotaryPositions
    from .sinusoidal import SinusoidalPositions
    from .t5_bias import BucketBiases


class NoPosition(PositionPart):
    """No positions: order is known only as far as causality or a recurrence gives it away."""

    name = "none"

    def build(self, site: PositionSite) -> Encoder:
        from .encoder import Encoder

        return Encoder()


class Learned(PositionPart):
    """A learned vector per position, added to the embedding (Gehring et al. 2017; GPT-2); ends at the context."""

    name = "learned"
    acts = frozenset({"embed"})

    def build(self, site: PositionSite) -> LearnedPositions:
        from .learned import LearnedPositions

        return LearnedPositions(site.context, site.width)


class Sinusoidal(PositionPart):
    """Sines and cosines of geometrically spaced wavelengths, added to the embedding (Vaswani et al. 2017)."""

    name = "sinusoidal"
    acts = frozenset({"embed"})

    base: PositiveFloat = 10_000.0
    """Ratio of the longest wavelength to the shortest, which is 2 pi positions."""

    def build(self, site: PositionSite) -> SinusoidalPositions:
        from .sinusoidal import SinusoidalPositions

        return SinusoidalPositions(site.width, self.base)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(base=100.0)


class RopeScalingPart(Part):
    """Stretches rotary frequencies, so that a model can read further than it was first trained."""

    kind = "rope_scaling"

    def build(self, site: PositionSite) -> Scaling:
        raise NotImplementedError

    @classmethod
    def sites(cls) -> Mapping[str, PositionSite]:
        return PositionPart.sites()

    def inputs(self, site: PositionSite, rows: int, length: int) -> tuple[Tensor]:
        import torch

        return (1.0 / 100 ** torch.linspace(0, 1, 16),)


class LinearRope(RopeScalingPart):
    """Every rotary frequency divided by one factor (Chen et al. 2023)."""

    name = "linear"

    factor: PositiveFloat = 2.0
    """How many times further the model is to read."""

    def build(self, site: PositionSite) -> LinearScaling:
        from .frequencies import LinearScaling

        return LinearScaling(self.factor)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(factor=4.0)


class Llama3Rope(RopeScalingPart):
    """Slow rotary frequencies divided by a factor, fast ones kept, those between blended (Llama 3.1, 2024)."""

    name = "llama3"

    factor: PositiveFloat = 8.0
    """How many times further the model is to read."""
    low_frequency_factor: PositiveFloat = 1.0
    """A pair is slow if it turns round fewer times than this within the original context."""
    high_frequency_factor: PositiveFloat = 4.0
    """A pair is fast if it turns round more times than this within the original context."""
    original_context: PositiveInt = 8192
    """Positions the model was first trained on."""

    def build(self, site: PositionSite) -> Llama3Scaling:
        from .frequencies import Llama3Scaling

        if self.low_frequency_factor >= self.high_frequency_factor:
            raise PartError(
                f"low_frequency_factor {self.low_frequency_factor:g} must be below "
                f"high_frequency_factor {self.high_frequency_factor:g}"
            )
        return Llama3Scaling(self.factor, self.low_frequency_factor, self.high_frequency_factor, self.original_context)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(original_context=64),
            cls(factor=4.0, low_frequency_factor=0.5, high_frequency_factor=8.0, original_context=32),
        )


class Rope(PositionPart):
    """Rotary positions: queries and keys turn by angles that grow with position (Su et al. 2021)."""

    name = "rope"
    acts = frozenset({"rotate"})

    base: PositiveFloat = 10_000.0
    """Ratio of the longest wavelength to the shortest, which is 2 pi positions; larger reaches further."""
    fraction: Annotated[float, Gt(0), Le(1)] = 1.0
    """Share of each head's features that turn, the first ones; the rest know no position (GPT-NeoX: 0.25)."""
    layout: Literal["half", "interleaved"] = "half"
    """Which features make a pair: half takes i and i + D/2 (Llama, GPT-NeoX), interleaved 2i and 2i + 1 (GPT-J)."""
    scaling: Annotated[RopeScalingPart, Slot()] | None = None
    """How frequencies are stretched to read further; null leaves them."""

    def build(self, site: PositionSite) -> RotaryPositions:
        from .rotary import RotaryPositions

        turning = site.head_width * self.fraction
        width = round(turning)
        if width < 2 or width % 2 or abs(turning - width) > 1e-6:
            raise PartError(
                f"rope turns features in pairs, and fraction {self.fraction:g} of head width {site.head_width} is "
                f"{turning:g}; choose heads and fraction such that it is an even number, 2 or more"
            )
        scaling = None if self.scaling is None else self.scaling.assemble(site)
        return RotaryPositions(width, self.base, self.layout, scaling)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(),
            cls(base=500.0, fraction=0.5, layout="interleaved"),
            cls(scaling=LinearRope(factor=4.0)),
            cls(scaling=Llama3Rope(original_context=32)),
        )


class Alibi(PositionPart):
    """Scores fall linearly with distance, at a slope fixed per head (ALiBi, Press et al. 2022)."""

    name = "alibi"
    acts = frozenset({"bias"})

    def build(self, site: PositionSite) -> LinearBiases:
        from .alibi import LinearBiases

        return LinearBiases(site.heads)


class T5Bias(PositionPart):
    """A learned bias on scores, per head and bucket of distances (T5, Raffel et al. 2020)."""

    name = "t5_bias"
    acts = frozenset({"bias"})

    buckets: Annotated[int, Ge(2)] = 32
    """Number of buckets; attention that looks both ways keeps half of them for each side."""
    max_distance: PositiveInt = 128
    """Distance, in positions, from which on all share the last bucket."""

    def build(self, site: PositionSite) -> BucketBiases:
        from .t5_bias import BucketBiases

        one_side = self.buckets if site.causal else self.buckets // 2
        if one_side < 2 or (self.buckets % 2 and not site.causal):
            raise PartError(f"buckets {self.buckets} cannot be shared by two sides; make it even, 4 or more")
        if self.max_distance <= one_side // 2:
            raise PartError(
                f"max_distance {self.max_distance} lies within the {one_side // 2} distances that have a bucket "
                f"each; make it larger, or buckets ({self.buckets}) fewer"
            )
        return BucketBiases(site.heads, self.buckets, self.max_distance, not site.causal, std=site.width**-0.5)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(buckets=8, max_distance=12)


PARTS = (NoPosition, Learned, Sinusoidal, LinearRope, Llama3Rope, Rope, Alibi, T5Bias)
